/** An ext4 file system in a file, for the power cuts of tests: what the file holds is what a disk would hold. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, constants } from 'node:fs';
import { join } from 'node:path';

const SIZE_MB = 24;

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
}

export class LoopDisk {
  readonly folder: string;
  readonly #image: string;
  readonly #work: string;

  private constructor(work: string) {
    this.#work = work;
    this.#image = join(work, 'disk.img');
    this.folder = join(work, 'mounted');
  }

  /** @throws Error where only root may mount, or loop devices are missing */
  static make(work: string): LoopDisk {
    const disk = new LoopDisk(work);
    mkdirSync(disk.folder, { recursive: true });
    run('truncate', '-s', `${SIZE_MB}M`, disk.#image);
    run('mkfs.ext4', '-q', '-F', disk.#image);
    // Like many gateways, without the journal's own five seconds between commits becoming the test's.
    run('mount', '-o', 'loop,noatime,commit=60', disk.#image, disk.folder);
    return disk;
  }

  /** What the disk holds at this moment, seen by `look` after it was mounted again as after a power cut. */
  afterCut<Result>(look: (folder: string) => Result): Result {
    const image = join(this.#work, 'cut.img');
    const folder = join(this.#work, 'cut');
    mkdirSync(folder, { recursive: true });
    copyFileSync(this.#image, image, constants.COPYFILE_FICLONE);
    run('mount', '-o', 'loop', image, folder);
    try {
      return look(folder);
    } finally {
      run('umount', folder);
    }
  }

  close(): void {
    run('umount', '--lazy', this.folder);
  }
}
