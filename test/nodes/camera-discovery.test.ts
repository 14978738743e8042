/** The search for cameras: one of a kind at a time. */
import assert from 'node:assert/strict';
import type { DiscoveredCamera } from '../../lib/capture/discovery.ts';
import { Discovery } from '../../nodes/camera-capture/discovery.ts';

/** A search that ends when it is told to. */
class StandInSearch {
  started = 0;
  resolve: (cameras: DiscoveredCamera[]) => void = () => undefined;
  reject: (error: Error) => void = () => undefined;

  run(): Promise<DiscoveredCamera[]> {
    this.started += 1;
    return new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
  }
}

describe('the search for cameras', () => {
  let gige: StandInSearch;
  let usb: StandInSearch;
  let discovery: Discovery;

  beforeEach(() => {
    gige = new StandInSearch();
    usb = new StandInSearch();
    discovery = new Discovery({ gige: () => gige.run(), usb: () => usb.run() });
  });

  it('runs once for all who ask while it is under way', async () => {
    const asked = [discovery.find('gige'), discovery.find('gige'), discovery.find('usb')];
    assert.deepEqual([gige.started, usb.started], [1, 1]);
    const camera = { id: 'Maker-1', name: 'Maker' };
    gige.resolve([camera]);
    usb.resolve([]);
    assert.deepEqual(await Promise.all(asked), [[camera], [camera], []]);
  });

  it('looks again when asked later, also after one that failed', async () => {
    const failing = discovery.find('usb');
    usb.reject(new Error('no drivers'));
    await assert.rejects(failing, /no drivers/);
    const later = discovery.find('usb');
    assert.equal(usb.started, 2);
    usb.resolve([]);
    assert.deepEqual(await later, []);
  });

  it('knows no other kind', async () => {
    await assert.rejects(discovery.find('toString'), { code: 'BAD_REQUEST', message: /gige or usb/ });
    await assert.rejects(discovery.find(undefined), { code: 'BAD_REQUEST' });
  });
});
