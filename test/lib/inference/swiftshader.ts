/** WebGPU without a GPU: the software Vulkan driver of Debian's chromium-common. Tiny nets only. */
import type { Context } from 'mocha';
import { requirePath } from '../../support/shared.ts';

const DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Lets `use` start processes that find the driver; skips where it is not installed. */
export async function withSwiftShader<Result>(context: Context, use: () => Promise<Result>): Promise<Result> {
  requirePath(context, DRIVER, 'the software Vulkan driver (Debian chromium-common)');
  const before = process.env['VK_ICD_FILENAMES'];
  process.env['VK_ICD_FILENAMES'] = DRIVER;
  try {
    return await use();
  } finally {
    if (before === undefined) delete process.env['VK_ICD_FILENAMES'];
    else process.env['VK_ICD_FILENAMES'] = before;
  }
}
