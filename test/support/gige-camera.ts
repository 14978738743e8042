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
/** Small enough for the buffers of an untuned kernel. */
export const SMALL = { sensorWidth: 320, sensorHeight: 240, packetSize: 8000 } as const;
const PRINT_DESCRIPTION = `
import gi
gi.require_version('Aravis', '0.8')
from gi.repository import Aravis
Aravis.enable_interface('Fake')
print(Aravis.Camera.new('Fake_1').get_device().get_genicam_xml()[0])
`;
const never = new AbortController().signal;

let missing: string | undefined;

function whatIsMissing(): string {
  if (spawnSync(CAMERA, ['--help']).error !== undefined) return 'needs apt-get install aravis-tools';
  const bindings = "import gi; gi.require_version('Aravis', '0.8'); from gi.repository import Aravis";
  if (spawnSync(PYTHON, ['-c', bindings]).status !== 0) {
    return 'needs apt-get install python3-gi gir1.2-aravis-0.8';
  }
  return '';
}

/** Skips with a reason where there can be no fake camera; in CI nothing may be skipped, so there it fails. */
export function requireGige(context: Mocha.Context): void {
  missing ??= whatIsMissing();
  if (missing === '') return;
  if (process.env['CI'] === 'true') throw new Error(missing);
  console.log(`      skipped: ${missing}`);
  context.skip();
}

export interface GigeCameraOptions {
  serial?: string;
  /** Of its image packets, how many in a thousand it does not send. */
  lostPerMille?: number;
  /** The camera's description of itself, made from the usual one. */
  describe?: (xml: string) => string;
}

type Colour = readonly [red: number, green: number, blue: number];

/** Its colour for a place on the ramp, 0 to 254: "jet", from dark blue through green to dark red. */
export function jet(place: number): Colour {
  const channel = (rising: number, falling: number): number =>
    Math.max(0, Math.min(255, 4 * place - rising, falling - 4 * place));
  return [channel(380, 1148), channel(124, 892), channel(-132, 636)];
}

/**
 * How far the ramp of a picture has moved, 0 to 254; undefined when no shift explains all its pixels.
 *
 * @param isRight whether the pixel at x, y can be the one at this place of the ramp
 */
export function shiftOf(
  { width, height }: { width: number; height: number },
  isRight: (x: number, y: number, place: number) => boolean,
): number | undefined {
  for (let shift = 0; shift < 255; shift += 1) {
    let x = 0;
    let y = 0;
    while (y < height && isRight(x, y, (x + y + shift) % 255)) {
      x = (x + 1) % width;
      if (x === 0) y += 1;
    }
    if (y === height) return shift;
  }
  return undefined;
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
