/**
 * A graph with its constants computed, batch normalisation in the weights before it and dead nodes gone:
 * what ONNX Runtime does itself before every run, done before the numbers are rounded, since it no longer
 * can afterwards.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDocument, type OnnxDocument } from '../document.ts';
import { invalid } from '../message.ts';

/** The first version of the format with initializers that are no inputs and of opset 13. */
const IR_VERSION = 7;

/** Only what ONNX Runtime's basic level may do, which stays within the operators of the standard. */
async function optimised(bytes: Uint8Array): Promise<Buffer> {
  const { InferenceSession } = await import('onnxruntime-node');
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-'));
  try {
    const path = join(folder, 'model.onnx');
    const session = await InferenceSession.create(bytes, {
      graphOptimizationLevel: 'basic',
      optimizedModelFilePath: path,
      // it warns that an optimised model is made for one machine, which the basic level is not
      logSeverityLevel: 3,
    });
    await session.release();
    return await readFile(path);
  } catch (error) {
    throw invalid(`ONNX Runtime cannot load the model: ${(error as Error).message.replaceAll(/\s+/g, ' ')}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws OnnxError `ONNX_INVALID`, `ONNX_TOO_LARGE` */
export async function simplify(bytes: Uint8Array): Promise<OnnxDocument> {
  const document = readDocument(await optimised(bytes));
  const { graph } = document;
  const domains = new Set(graph.nodes.map(({ domain }) => (domain === 'ai.onnx' ? '' : domain)));
  document.opsets = document.opsets.filter(
    ({ domain }) => domain === '' || domain === 'ai.onnx' || domains.has(domain),
  );
  document.irVersion = Math.max(document.irVersion, IR_VERSION);
  const constants = new Set(graph.initializers.map(({ name }) => name));
  graph.inputs = graph.inputs.filter(({ name }) => !constants.has(name));
  return document;
}
