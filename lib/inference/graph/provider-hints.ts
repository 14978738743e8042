/**
 * What a machine lacks when an execution provider will not do on it, and what to do about that. ONNX
 * Runtime says "Failed to load shared library" for a missing package, a missing driver and a missing
 * library of the driver's maker alike; which of them it is shows in the files.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface Machine {
  platform: NodeJS.Platform;
  arch: string;
  /** True when ONNX Runtime's own libraries for CUDA and TensorRT lie beside it. */
  hasCudaPackage: boolean;
  /** True when the driver of an NVIDIA GPU is loaded. */
  hasNvidiaDriver: boolean;
}

const CUDA_LIBRARY = 'libonnxruntime_providers_cuda.so';

/** Folder of ONNX Runtime's libraries for this machine; undefined where the package is not installed. */
function runtimeFolder(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
    return join(dirname(entry), 'bin', 'napi-v6', process.platform, process.arch);
  } catch {
    return undefined;
  }
}

export function thisMachine(): Machine {
  const folder = runtimeFolder();
  return {
    platform: process.platform,
    arch: process.arch,
    hasCudaPackage: folder !== undefined && existsSync(join(folder, CUDA_LIBRARY)),
    // the second is what a Jetson and WSL have instead
    hasNvidiaDriver: ['/proc/driver/nvidia/version', '/dev/nvhost-gpu', '/dev/dxg'].some((path) =>
      existsSync(path),
    ),
  };
}

/** Platforms whose build of ONNX Runtime for Node.js has the provider (1.30). */
const BUILDS: Readonly<Record<string, readonly string[]>> = {
  cuda: ['linux/x64'],
  tensorrt: ['linux/x64'],
  dml: ['win32/x64', 'win32/arm64'],
  coreml: ['darwin/arm64', 'darwin/x64'],
  webgpu: ['linux/x64', 'win32/x64', 'win32/arm64', 'darwin/arm64', 'darwin/x64'],
};

const NAMES: Readonly<Record<string, string>> = {
  cuda: 'CUDA',
  tensorrt: 'TensorRT',
  dml: 'DirectML',
  coreml: 'CoreML',
  webgpu: 'WebGPU',
};

function nvidiaHint(provider: 'cuda' | 'tensorrt', { hasCudaPackage, hasNvidiaDriver }: Machine): string {
  if (!hasNvidiaDriver) {
    return "This machine has no NVIDIA driver loaded: check that 'nvidia-smi' shows the GPU (in a container: start it with --gpus all).";
  }
  if (!hasCudaPackage) {
    return (
      "ONNX Runtime's CUDA libraries are not installed. In Node-RED's user directory run: " +
      'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node. Without internet, copy ' +
      'libonnxruntime_providers_shared.so, _cuda.so and _tensorrt.so of the same version into ' +
      'node_modules/onnxruntime-node/bin/napi-v6/linux/x64.'
    );
  }
  const libraries =
    'the CUDA 12 runtime (libcudart.so.12, libcublas.so.12, libcufft.so.11) and cuDNN 9 (libcudnn.so.9)';
  const more = provider === 'tensorrt' ? ', and TensorRT 10 (libnvinfer.so.10)' : '';
  return (
    `The CUDA libraries of ONNX Runtime are there, but not all they need: install ${libraries}${more}, and where ` +
    'they are not in the system path start Node-RED with LD_LIBRARY_PATH pointing at them.'
  );
}

function webgpuHint({ platform }: Machine): string {
  switch (platform) {
    case 'linux':
      return (
        'WebGPU needs Vulkan: install the driver of the GPU and the loader (Debian: apt install libvulkan1 ' +
        "mesa-vulkan-drivers), check with 'vulkaninfo --summary', and let Node-RED's user read /dev/dri (group render)."
      );
    case 'win32':
      return 'WebGPU needs a GPU with Direct3D 12: install the driver of its maker.';
    default:
      return 'WebGPU found no GPU it can use; a virtual machine often has none.';
  }
}

/** What to do where `provider` was refused; one paragraph for a person. */
export function providerHint(provider: string, machine: Machine = thisMachine()): string {
  const builds = BUILDS[provider];
  const { platform, arch } = machine;
  if (builds !== undefined && !builds.includes(`${platform}/${arch}`)) {
    const others = ['webgpu', 'cpu'].filter(
      (other) => other !== provider && (BUILDS[other]?.includes(`${platform}/${arch}`) ?? true),
    );
    return `ONNX Runtime has ${NAMES[provider] ?? provider} on ${builds.join(' and ')}, not on ${platform}/${arch}. Use ${others.join(' or ')}.`;
  }
  switch (provider) {
    case 'cuda':
    case 'tensorrt':
      return nvidiaHint(provider, machine);
    case 'webgpu':
      return webgpuHint(machine);
    case 'dml':
      return 'DirectML needs Windows 10 1903 or newer and a GPU with Direct3D 12: install the driver of its maker.';
    case 'coreml':
      return 'CoreML takes this graph not: leave strict mode, or use cpu.';
    default:
      return 'Execution providers are tensorrt, cuda, dml, coreml, webgpu and cpu.';
  }
}
