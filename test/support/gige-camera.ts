/**
 * Aravis' fake GigE Vision camera on 127.0.0.1: a process of its own that speaks the real protocols,
 * can be killed, frozen and started again, and loses packets when told to. Its picture is a ramp that
 * moves by one with every frame: gray (x + y + frame) mod 255, or that through the colours of "jet".
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gvcpAnswers } from '../../lib/capture/gvcp.ts';

const CAMERA = 'arv-fake-gv-camera-0.8';
const PYTHON = '/usr/bin/python3';
export const ADDRESS = '127.0.0.1';
const PRINT_DESCRIPTION = `
import gi
gi.require_version('Aravis', '0.8')
from gi.repository import Aravis
Aravis.enable_interface('Fake')
print(Aravis.Camera.new('Fake_1').get_device().get_genicam_xml()[0])
`;
const never = new AbortController().signal;

/** Why there can be no fake camera on this machine; undefined when there can. */
export function gigeMissing(): string | undefined {
  if (spawnSync(CAMERA, ['--help']).error !== undefined) {
    return `${CAMERA} is missing (apt-get install aravis-tools)`;
  }
  const bindings = "import gi; gi.require_version('Aravis', '0.8'); from gi.repository import Aravis";
  if (spawnSync(PYTHON, ['-c', bindings]).status !== 0) {
    return 'the bindings of Aravis are missing (apt-get install python3-gi gir1.2-aravis-0.8)';
  }
  return undefined;
}

/** Skips a suite, and says why, where there can be no fake camera. For `before`. */
export function skipWithoutGige(context: Mocha.Context): void {
  const reason = gigeMissing();
  if (reason === undefined) return;
  console.log(`      skipped: ${reason}`);
  context.skip();
}

export interface GigeCameraOptions {
  serial?: string;
  /** Of its image packets, how many in a thousand it does not send. */
  lostPerMille?: number;
  /** The camera's description of itself, made from the usual one. */
  describe?: (xml: string) => string;
}

export class GigeCamera {
  readonly #options: GigeCameraOptions;
  #process: ChildProcess | undefined;
  #folder: string | undefined;

  constructor(options: GigeCameraOptions = {}) {
    this.#options = options;
  }

  get serial(): string {
    return this.#options.serial ?? 'JIDOKA01';
  }

  get id(): string {
    return `Aravis-Fake-${this.serial}`;
  }

  /** Resolves when it answers; again after `kill`. */
  async start(): Promise<void> {
    // Two of them would share the port without a word, and take each other's packets.
    assert.equal(await gvcpAnswers(ADDRESS, never), false, `something already answers on ${ADDRESS}:3956`);
    const { lostPerMille = 0 } = this.#options;
    const genicam = this.#describe();
    this.#process = spawn(
      CAMERA,
      [
        ...['-i', ADDRESS, '-s', this.serial, '-r', String(lostPerMille)],
        ...(genicam === undefined ? [] : ['-g', genicam]),
      ],
      { stdio: 'ignore' },
    );
    while (!(await gvcpAnswers(ADDRESS, never))) {
      assert.equal(this.#process.exitCode, null, 'the fake camera ended');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** As when the power goes. */
  async kill(): Promise<void> {
    const camera = this.#process;
    this.#process = undefined;
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true });
    this.#folder = undefined;
    if (camera === undefined) return;
    const ended = once(camera, 'exit');
    camera.kill('SIGKILL');
    await ended;
  }

  /** It answers nothing and sends nothing, and its address stays. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  #describe(): string | undefined {
    const { describe } = this.#options;
    if (describe === undefined) return undefined;
    const usual = execFileSync(PYTHON, ['-c', PRINT_DESCRIPTION], { encoding: 'utf8' });
    this.#folder = mkdtempSync(join(tmpdir(), 'jidoka-gige-'));
    const path = join(this.#folder, 'camera.xml');
    writeFileSync(path, describe(usual));
    return path;
  }
}
