/**
 * The search for cameras that a dialog asks for. Each starts a process that loads drivers, so that one
 * of a kind is under way at a time: who asks meanwhile gets its answer.
 */
import type { DiscoveredCamera } from '../../lib/capture/discovery.ts';
import { listGigeCameras } from '../../lib/capture/gige.ts';
import { listUsbCameras } from '../../lib/capture/usb.ts';
import { CodedError } from '../../lib/errors.ts';

type Search = () => Promise<DiscoveredCamera[]>;

const SEARCHES: Readonly<Record<string, Search>> = {
  gige: () => listGigeCameras(),
  usb: () => listUsbCameras(),
};

export class Discovery {
  readonly #searches: ReadonlyMap<unknown, Search>;
  readonly #underWay = new Map<unknown, Promise<DiscoveredCamera[]>>();

  /** @param searches by the name of their kind */
  constructor(searches = SEARCHES) {
    this.#searches = new Map(Object.entries(searches));
  }

  /** @throws CodedError `BAD_REQUEST` for a kind there is no search for; CaptureError */
  async find(kind: unknown): Promise<DiscoveredCamera[]> {
    const search = this.#searches.get(kind);
    if (search === undefined) {
      throw new CodedError('BAD_REQUEST', `kind must be ${[...this.#searches.keys()].join(' or ')}`);
    }
    const found = this.#underWay.get(kind) ?? search().finally(() => this.#underWay.delete(kind));
    this.#underWay.set(kind, found);
    return await found;
  }
}
