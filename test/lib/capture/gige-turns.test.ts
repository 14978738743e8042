import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { requireGige } from '../../support/gige-camera.ts';

/** What the camera and we were told, each in order, and the pixel each trigger was given. */
function play(): { camera: string[]; parent: string[]; pixels: Record<number, number> } {
  const script = fileURLToPath(new URL('../../support/gige-turns.py', import.meta.url));
  const lines = execFileSync('/usr/bin/python3', ['-B', script], { encoding: 'utf8' }).trim().split('\n');
  const camera: string[] = [];
  const parent: string[] = [];
  const pixels: Record<number, number> = {};
  for (const line of lines) {
    const message = JSON.parse(line) as Record<string, string | number>;
    const { camera: told, slot, value } = message;
    if (told !== undefined) camera.push(String(told));
    if (slot !== undefined && value !== undefined) pixels[Number(slot)] = Number(value);
    for (const kind of ['took', 'failed', 'cancelled']) {
      if (message[kind] !== undefined) parent.push(`${kind} ${message[kind]}`);
    }
  }
  return { camera, parent, pixels };
}

describe('the software trigger of a GigE camera', function () {
  this.timeout(20_000);
  let played: ReturnType<typeof play>;

  before(function () {
    requireGige(this);
    played = play();
  });

  it('answers every trigger once', () => {
    const answers = ['took 1', 'took 2', 'cancelled 3', 'took 4', 'cancelled 5', 'took 6', 'failed 7'];
    assert.deepEqual(played.parent, answers);
  });

  it('exposes for one part after the other, however fast the triggers come', () => {
    assert.deepEqual(played.camera.slice(0, 2), ['software_trigger', 'software_trigger']);
    assert.deepEqual([played.pixels[1], played.pixels[2]], [11, 12]);
  });

  it('breaks an exposure off when another part needs the camera, and drops what still comes of it', () => {
    assert.deepEqual(played.camera.slice(2, 6), [
      'software_trigger',
      'stop_acquisition',
      'start_acquisition',
      'software_trigger',
    ]);
    assert.equal(played.pixels[4], 14);
  });

  it('keeps no frame for the next part when the one it was made for has given up', () => {
    assert.deepEqual(played.camera.slice(6), ['software_trigger', 'software_trigger', 'software_trigger']);
    assert.equal(played.pixels[6], 16);
  });
});
