/** A program with a GigE camera, to be killed: says the process id of its camera's process, and runs on. */
import { gigeSource } from '../../lib/capture/gige.ts';
import { ADDRESS, SMALL } from './gige-camera.ts';

const source = gigeSource({ camera: ADDRESS, cameraTrigger: 'free-run', timeoutMs: 20_000, ...SMALL });
await source.start({
  image: () => undefined,
  lost: (error) => {
    console.error(error);
    process.exit(1);
  },
  restored: () => console.log(source.pid),
});
