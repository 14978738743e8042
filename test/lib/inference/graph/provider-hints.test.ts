import assert from 'node:assert/strict';
import { providerHint, thisMachine, type Machine } from '../../../../lib/inference/graph/provider-hints.ts';
import { PROVIDERS } from '../../../../lib/inference/graph/providers.ts';

const linux: Machine = { platform: 'linux', arch: 'x64', hasCudaPackage: false, hasNvidiaDriver: true };

describe('provider hints', () => {
  it('name the first thing an NVIDIA machine lacks: driver, package, libraries', () => {
    assert.match(providerHint('cuda', { ...linux, hasNvidiaDriver: false }), /driver.*nvidia-smi/);
    assert.match(providerHint('cuda', linux), /ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node/);
    const withPackage = { ...linux, hasCudaPackage: true };
    assert.match(providerHint('cuda', withPackage), /libcudnn\.so\.9/);
    assert.doesNotMatch(providerHint('cuda', withPackage), /libnvinfer/);
    assert.match(providerHint('tensorrt', withPackage), /libnvinfer\.so\.10/);
  });

  it('say where a provider exists that this platform has not, and what to take instead', () => {
    assert.match(providerHint('dml', linux), /DirectML on win32.*not on linux\/x64\. Use webgpu or cpu\./);
    const arm = { ...linux, arch: 'arm64' };
    assert.match(providerHint('cuda', arm), /not on linux\/arm64\. Use cpu\./);
    assert.match(providerHint('webgpu', arm), /Use cpu\./);
    assert.match(providerHint('coreml', { ...linux, platform: 'win32' }), /CoreML on darwin/);
  });

  it('ask for the driver of the platform where WebGPU finds no GPU', () => {
    assert.match(providerHint('webgpu', linux), /libvulkan1.*vulkaninfo/);
    assert.match(providerHint('webgpu', { ...linux, platform: 'win32' }), /Direct3D 12/);
  });

  it('have a sentence for every provider on this machine', () => {
    for (const provider of PROVIDERS) assert.ok(providerHint(provider, thisMachine()).endsWith('.'));
  });
});
