/** A head bound to a graph of one picture, and what it reads from outputs made up by a test. */
import type {
  HeadOptions,
  HeadResult,
  OutputTensor,
  Placement,
} from '../../../../lib/inference/heads/head.ts';
import { planHead } from '../../../../lib/inference/heads/plan.ts';
import { resolveInput, type InputRecipe } from '../../../../lib/inference/graph/input.ts';
import type { ValueDescription } from '../../../../lib/inference/host/protocol.ts';

export type Output = OutputTensor & { type?: string };

export function tensor(dims: readonly number[], values: ArrayLike<number>, type = 'float32'): Output {
  return { dims, data: Float32Array.from(values), type };
}

export interface Setting {
  width?: number;
  height?: number;
  layout?: InputRecipe['layout'];
  placement?: Placement;
}

export function image({ width = 8, height = 8, layout = 'nchw' }: Setting = {}): ValueDescription {
  const shape = layout === 'nchw' ? [1, 3, height, width] : [1, height, width, 3];
  return { name: 'x', type: 'float32', shape };
}

/** The frame is as large as the input, unless the setting says where it lies. */
export function read(
  options: HeadOptions,
  outputs: Readonly<Record<string, Output>>,
  setting: Setting = {},
): HeadResult {
  const { width = 8, height = 8 } = setting;
  const input = image(setting);
  const described = Object.entries(outputs).map(([name, { dims, type = 'float32' }]) => ({
    name,
    type,
    shape: [...dims],
  }));
  const plan = planHead(options, { inputs: [input], outputs: described });
  const head = plan.bind(resolveInput([input], {}, plan.input));
  const placement = setting.placement ?? { scaleX: 1, scaleY: 1, frameWidth: width, frameHeight: height };
  return head.read(outputs, placement);
}
