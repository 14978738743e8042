/**
 * Carries a graph to an opset in which the scoring heads can be written behind it: 13 to 17. Of what is
 * older the quantiser knows the way; what is newer goes back here. ONNX Runtime refuses a form the
 * declared opset does not have, and `adopt.ts` compares the answers before and after.
 */
import { constantsOf, opsetOf, type OnnxDocument } from '../../onnx/document.ts';
import { attributeOf, isStandard, makeAttribute, withoutAttributes, type Node } from '../../onnx/node.ts';
import { liftOpset } from '../../onnx/quantize/lift.ts';
import { integersOf, type Tensor } from '../../onnx/tensor.ts';

/** The last in which ReduceMin takes its axes as the heads write them. */
const NEWEST = 17;

/** Axes became an input in opset 18 (github.com/onnx/onnx, docs/Changelog.md). */
const AXES_ATTRIBUTE = new Set(
  'ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare'.split(
    ' ',
  ),
);

function lowered(node: Node, constants: ReadonlyMap<string, Tensor>): Node {
  if (!isStandard(node)) return node;
  if (node.operator === 'Split') return withoutAttributes(node, 'num_outputs');
  if (!AXES_ATTRIBUTE.has(node.operator)) return node;
  const plain = withoutAttributes(node, 'noop_with_empty_axes');
  const [data = '', axesName = ''] = node.inputs;
  if (axesName === '') {
    // without axes it may mean “all” or “none”, of which only the first is left
    return attributeOf(node, 'noop_with_empty_axes')?.integer === 1
      ? { ...plain, operator: 'Identity', inputs: [data], attributes: [] }
      : { ...plain, inputs: [data] };
  }
  const tensor = constants.get(axesName);
  const axes = tensor === undefined ? undefined : integersOf(tensor);
  if (axes === undefined) return node;
  return { ...plain, inputs: [data], attributes: [...plain.attributes, makeAttribute('axes', axes)] };
}

/**
 * Changes `document` where its opset is not one of 13 to 17.
 *
 * @throws OnnxError `QUANTIZE_OPSET_UNSUPPORTED`, `ONNX_INVALID`
 */
export function settleOpset(document: OnnxDocument): void {
  liftOpset(document);
  if (opsetOf(document) <= NEWEST) return;
  const constants = constantsOf(document.graph);
  document.graph.nodes = document.graph.nodes.map((node) => lowered(node, constants));
  document.opsets = document.opsets.map((opset) =>
    opset.domain === '' || opset.domain === 'ai.onnx' ? { ...opset, version: NEWEST } : opset,
  );
}
