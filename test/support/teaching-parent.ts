/** A process that teaches “cubes” from pictures into a folder and tells of every step, to be killed in the middle. */
import { teach } from '../../lib/anomaly/teach.ts';

const [folder = '', ...pictures] = process.argv.slice(2);
await teach({ folder, name: 'cubes', pictures, coresetSize: 50, onProgress: (step) => process.send?.(step) });
