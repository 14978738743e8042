/** A program with a camera, to be killed: says the process id of its camera's process, and runs on. */
import { videoSource } from '../../lib/capture/video.ts';

const source = videoSource({ file: process.argv[2] ?? '', mode: 'cycle', timeoutMs: 20_000 });
await source.start({
  image: () => undefined,
  lost: (error) => {
    console.error(error);
    process.exit(1);
  },
  restored: () => console.log(source.pid),
});
