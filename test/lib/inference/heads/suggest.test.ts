import assert from 'node:assert/strict';
import type { ChosenHead, GraphOutputs } from '../../../../lib/inference/heads/head.ts';
import { planHead } from '../../../../lib/inference/heads/plan.ts';
import { suggestHead } from '../../../../lib/inference/heads/suggest.ts';

type Shape = (number | string)[];

function graph(
  outputs: Record<string, Shape | [type: string, shape: Shape]>,
  input: Shape = [1, 3, 640, 640],
): GraphOutputs {
  return {
    inputs: [{ name: 'images', type: 'float32', shape: input }],
    outputs: Object.entries(outputs).map(([name, value]) => {
      const [type, shape] = Array.isArray(value[1])
        ? (value as [string, Shape])
        : ['float32', value as Shape];
      return { name, type, shape };
    }),
  };
}

/** A graph as an exporter makes it, and the head it is for. */
const KNOWN: [what: string, GraphOutputs, ChosenHead, labels?: string[]][] = [
  ['an ImageNet classifier', graph({ output: ['batch', 1000] }), { task: 'classify', output: 'output' }],
  ['class scores of a pooled map', graph({ y: [1, 10, 1, 1] }), { task: 'classify', output: 'y' }],
  ['one probability', graph({ probability: [1, 1] }), { task: 'classify', output: 'probability' }],
  ['one number', graph({ y: [1, 1] }), { task: 'regress', output: 'y' }],
  [
    'one number with a label',
    graph({ y: [1, 1] }),
    { task: 'classify', output: 'y', labels: ['dent'] },
    ['dent'],
  ],
  ['measurements by name', graph({ bolt_angles: ['n', 4] }), { task: 'regress', output: 'bolt_angles' }],
  ['several single numbers', graph({ a: [1, 1], b: [1, 1] }), { task: 'regress' }],
  ['features by name', graph({ image_embeds: [1, 100] }), { task: 'embed', output: 'image_embeds' }],
  ['features by their length', graph({ y: [1, 512] }), { task: 'embed', output: 'y' }],
  [
    'tokens of a transformer',
    graph({ last_hidden_state: [1, 197, 768] }),
    { task: 'embed', output: 'last_hidden_state' },
  ],
  ['tokens without a name', graph({ y: [1, 197, 768] }), { task: 'embed', output: 'y' }],
  ['a small feature map', graph({ y: [1, 512, 20, 20] }), { task: 'embed', output: 'y' }],
  [
    'a pyramid of feature maps',
    graph({ layer1: [1, 64, 160, 160], layer2: [1, 128, 80, 80], layer3: [1, 256, 40, 40] }),
    { task: 'embed', output: 'layer3' },
  ],
  ['a YOLOv8 detector', graph({ output0: [1, 84, 8400] }), { task: 'detect', format: 'yolov8' }],
  ['a YOLOv8-seg', graph({ output0: [1, 116, 8400], output1: [1, 32, 160, 160] }), { task: 'segment' }],
  ['logits of every pixel', graph({ out: [1, 21, 640, 640] }), { task: 'segment', output: 'out' }],
  [
    'logits of DeepLab with its aid',
    graph({ out: [1, 21, 520, 520], aux: [1, 21, 520, 520] }),
    { task: 'segment', output: 'out' },
  ],
  ['logits at a quarter', graph({ logits: ['batch', 150, 160, 160] }), { task: 'segment', output: 'logits' }],
  ['channels last', graph({ y: [1, 640, 640, 5] }, [1, 640, 640, 3]), { task: 'segment', output: 'y' }],
  ['a mask', graph({ mask: [1, 1, 640, 640] }), { task: 'segment', output: 'mask' }],
  ['a map of classes', graph({ classes: ['int64', [1, 640, 640]] }), { task: 'segment', output: 'classes' }],
  ['a taught model', graph({ score: [1], map: [56, 56] }), { task: 'anomaly-map' }],
  [
    'anomalib 2',
    graph({
      pred_score: [1, 1],
      pred_label: ['bool', [1, 1]],
      anomaly_map: [1, 1, 256, 256],
      pred_mask: ['bool', [1, 1, 256, 256]],
    }),
    { task: 'anomaly-map' },
  ],
  ['anomalib 1', graph({ output: [1, 1, 256, 256], '1432': [1] }), { task: 'anomaly-map' }],
  ['texts', graph({ y: ['string', [1]] }), { task: 'raw' }],
  ['a vector as input', graph({ y: [1, 1000] }, [1, 16]), { task: 'raw' }],
  ['a cube', graph({ y: [1, 2, 3, 4, 5] }), { task: 'raw' }],
];

describe('the head suggested', () => {
  for (const [what, given, expected, labels] of KNOWN) {
    it(`for ${what} is ${expected.task}`, () => {
      const { head, why } = suggestHead(given, labels);
      assert.deepEqual(head, expected);
      assert.ok(why.length > 10 && why.length < 300);
    });
  }

  it('says why in a few words', () => {
    const { why } = suggestHead(graph({ output: [1, 1000] }));
    assert.equal(why, "output 'output' of 1×1000: class scores");
  });

  it('is a classifier where there is a label for each of many values', () => {
    const labels = Array.from({ length: 512 }, (_, index) => `part ${index}`);
    assert.equal(suggestHead(graph({ y: [1, 512] }), labels).head.task, 'classify');
  });

  it('never quotes more of a name than a line', () => {
    const { why } = suggestHead(graph({ ['x\n'.repeat(500)]: [1, 10] }));
    assert.ok(why.length < 200 && !why.includes('\n'));
  });
});

describe('the plan of a head', () => {
  it('takes the suggestion for auto and says so', () => {
    const plan = planHead({ task: 'auto' }, graph({ y: [1, 3] }), ['a', 'b', 'c']);
    assert.deepEqual(plan.head, { task: 'classify', output: 'y', labels: ['a', 'b', 'c'] });
    assert.match(plan.why ?? '', /class scores/);
  });

  it('takes the head asked for, with the labels of the model where it was given none', () => {
    const given = graph({ y: [1, 3] });
    assert.deepEqual(planHead({ task: 'classify' }, given, ['a']).head, { task: 'classify', labels: ['a'] });
    assert.deepEqual(planHead({ task: 'classify', labels: ['b'] }, given, ['a']).head, {
      task: 'classify',
      labels: ['b'],
    });
    const plan = planHead({ task: 'raw' }, given, ['a']);
    assert.deepEqual(plan.head, { task: 'raw' });
    assert.equal('why' in plan, false);
  });

  it('can be made for every suggestion about numbers', () => {
    for (const [what, given, , labels] of KNOWN) {
      if (what === 'texts') continue;
      assert.doesNotThrow(() => planHead({ task: 'auto' }, given, labels), what);
    }
  });
});
