import assert from 'node:assert/strict';
import { openInspection } from '../../lib/inspection/inspection.ts';
import register from '../../nodes/sensor-window/sensor-window.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { codeOf, flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';
import { ask } from '../support/plc-flow.ts';

interface Answer {
  features: Record<string, number>;
  zones: Record<string, string>;
  window: { startedAtMs: number; rateHz: number; samples: number; units: Record<string, string> };
}

/** Four samples at 10 a second, unless told otherwise. */
const SETTINGS = {
  id: 'window',
  type: 'sensor-window',
  channels: [{ name: 'x', unit: 'A' }],
  rateHz: '10',
  lengthUnit: 'samples',
  length: '4',
  features: ['mean', 'peak'],
};

function flow(settings: Record<string, unknown> = {}): Parameters<typeof load>[1] {
  return flowAround({ ...SETTINGS, ...settings }, ['out']);
}

function send(payload: unknown, timestamp?: unknown, topic?: string): void {
  node('window').receive({
    payload,
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(topic === undefined ? {} : { topic }),
  });
}

function answerOf(message: Message): Answer {
  return message.payload as Answer;
}

describe('sensor-window', () => {
  let isDeployed = false;
  const deploy: typeof load = async (...flow) => {
    await load(...flow);
    isDeployed = true;
  };
  const remove = async (): Promise<void> => {
    if (isDeployed) await unload();
    isDeployed = false;
  };
  afterEach(remove);

  it('answers with one part for each window, plain numbers of it by sensor and feature', async () => {
    await deploy([register], flow());
    const next = nextMessage('out');
    [1, 2, 3, 6].forEach((value, index) => send(value, 1000 + 100 * index));
    const message = await next;
    assert.deepEqual(answerOf(message), {
      features: { 'x.mean': 3, 'x.peak': 3 },
      zones: {},
      window: { startedAtMs: 1000, rateHz: 10, samples: 4, units: { x: 'A' } },
    });
    assert.equal(message.inspection?.part.sequence, 1);
    assert.deepEqual(JSON.parse(JSON.stringify(message.payload)), message.payload);
  });

  it('opens the part at its station', async () => {
    let sequence = 40;
    const nextPart = () => {
      sequence += 1;
      return Promise.resolve(openInspection({ station: 'pump 3', sequence, deadlineMs: 5000 }));
    };
    await deploy(
      [stationStandIn({ nextPart }), register],
      [{ id: 'pump', type: 'inspection-station' }, ...flow({ station: 'pump' })],
    );
    const next = nextMessage('out');
    [0, 100, 200, 300].forEach((time) => send(1, time));
    assert.equal((await next).inspection?.part.sequence, 41);
  });

  it('puts sensors that come apart side by side, by topic or by key, and leaves other keys alone', async () => {
    const channels = [{ name: 'x' }, { name: 'y' }];
    await deploy([register], flow({ channels }));
    const next = nextMessage('out');
    for (let index = 0; index < 4; index += 1) {
      send(index, 100 * index, 'x');
      send({ y: 10 * index, firmware: 'v2' }, 100 * index);
    }
    assert.deepEqual(answerOf(await next).features, {
      'x.mean': 1.5,
      'x.peak': 1.5,
      'y.mean': 15,
      'y.peak': 15,
    });
  });

  it('takes lists at a fixed rate, and lets windows overlap', async () => {
    await deploy([register], flow({ clock: 'rate', sourceHz: '10', hop: '2' }));
    const means: (number | undefined)[] = [];
    node('out').on('input', (message: Message) => means.push(answerOf(message).features['x.mean']));
    const third = new Promise<void>((resolve) => {
      node('out').on('input', () => (means.length === 3 ? resolve() : undefined));
    });
    send([0, 1, 2, 3, 4, 5, 6, 7]);
    await third;
    assert.deepEqual(means, [1.5, 3.5, 5.5]);
  });

  it('counts a list back from its last sample where that is what the time says', async () => {
    await deploy([register], flow({ sourceHz: '10', stampAt: 'last' }));
    const next = nextMessage('out');
    send([1, 2, 3, 4], '2026-01-05T08:00:00.300Z');
    assert.equal(answerOf(await next).window.startedAtMs, Date.parse('2026-01-05T08:00:00.000Z'));
  });

  it('refuses what is no number or no sensor, and goes on as if it had not come', async () => {
    await deploy([register], flow({ channels: [{ name: 'x' }, { name: 'y' }] }));
    for (const [payload, topic] of [
      [NaN, 'x'],
      ['3.5', 'x'],
      [[1, 'n/a'], 'x'],
      [[], 'x'],
      [null, 'x'],
      [undefined, 'x'],
      [(): number => 1, 'x'],
      [{ z: 1 }, 'x'],
      [4, 'elsewhere'],
      [4, undefined],
    ] as const) {
      const caught = nextMessage('caught');
      send(payload, 0, topic);
      assert.equal(codeOf(await caught), 'SAMPLE_INVALID', JSON.stringify(payload));
    }
    const caught = nextMessage('caught');
    send(1, 'yesterday', 'x');
    assert.equal(codeOf(await caught), 'SAMPLE_INVALID');
    const next = nextMessage('out');
    for (let index = 0; index < 4; index += 1) send({ x: 1, y: 2 }, 100 * index);
    assert.equal(answerOf(await next).features['y.mean'], 2);
  });

  it('reports a gap, drops the window it falls into and begins anew', async () => {
    await deploy([register], flow({ maxGapMs: '250' }));
    const caught = nextMessage('caught');
    const next = nextMessage('out');
    send(100, 0);
    send(100, 100);
    [2000, 2100, 2200, 2300].forEach((time) => send(1, time));
    assert.equal(codeOf(await caught), 'WINDOW_GAP');
    const { features, window } = answerOf(await next);
    assert.deepEqual([features['x.mean'], window.startedAtMs], [1, 2000]);
  });

  it('says that a sample came late or twice, or leaves it out where told to', async () => {
    await deploy([register], flow());
    send(1, 1000);
    for (const time of [1000, 900]) {
      const caught = nextMessage('caught');
      send(9, time);
      assert.equal(codeOf(await caught), 'SAMPLE_OUT_OF_ORDER');
    }
    await remove();
    await deploy([register], flow({ late: 'drop' }));
    const next = nextMessage('out');
    [1000, 1100, 1000, 1100, 1200, 1300].forEach((time, index) =>
      send(index === 2 || index === 3 ? 50 : 1, time),
    );
    assert.equal(answerOf(await next).features['x.mean'], 1);
  });

  it('judges a vibration by the zones of its machine', async () => {
    const settings = {
      channels: [{ name: 'x', unit: 'm/s²' }],
      clock: 'rate',
      sourceHz: '4096',
      rateHz: '4096',
      length: '4096',
      features: ['velocity'],
      machine: '2-rigid',
    };
    await deploy([register], flow(settings));
    const next = nextMessage('out');
    // 3 mm/s RMS at 100 Hz, as an acceleration
    const peak = 0.003 * Math.SQRT2 * 2 * Math.PI * 100;
    send(Array.from({ length: 4096 }, (_, i) => peak * Math.sin((2 * Math.PI * 100 * i) / 4096)));
    const { features, zones } = answerOf(await next);
    assert.ok(Math.abs((features['x.velocity'] ?? NaN) - 3) < 0.03, `${features['x.velocity']}`);
    assert.equal(zones['x'], 'C');
  });

  it('shows the dialog what comes, also under names that are no sensors yet', async () => {
    await deploy([register], flow());
    const next = nextMessage('out');
    [0, 100, 200, 300].forEach((time) => send({ x: time, y: 1 }, time));
    await next;
    const { status, body } = await ask('get', '/jidoka/sensors/window');
    assert.equal(status, 200);
    const { channels, others, windows } = body as {
      channels: { name: string; value: number; samples: number }[];
      others: string[];
      windows: number;
    };
    assert.deepEqual([channels[0]?.name, channels[0]?.value, channels[0]?.samples], ['x', 300, 4]);
    assert.deepEqual([others, windows], [['y'], 1]);
    assert.equal((await ask('get', '/jidoka/sensors/nobody')).status, 404);
  });

  it('gives nothing of a window that was not full when it is closed', async () => {
    await deploy([register], flow());
    const outputs: Message[] = [];
    node('out').on('input', (message: Message) => outputs.push(message));
    [0, 100, 200].forEach((time) => send(1, time));
    await remove();
    assert.deepEqual(outputs, []);
  });

  it('refuses every sample where its settings make no window', async () => {
    for (const settings of [
      { channels: [] },
      { channels: [{ name: 'x' }, { name: 'x' }] },
      { clock: 'rate' },
      { rateHz: '' },
      { length: '1' },
      { length: '100000' },
      { hop: '5' },
      { features: [] },
      { features: ['guess'] },
      { features: ['bands'], bands: '100-10' },
    ]) {
      await deploy([register], flow(settings));
      const caught = nextMessage('caught');
      send(1, 0);
      assert.equal(codeOf(await caught), 'CONFIG_INVALID', JSON.stringify(settings));
      await remove();
    }
  });
});
