/** Where the teaching process gets its pictures: one after the other, from its parent or from disk. */
import { drawReference } from '../frame/align-reference.ts';
import type { RgbImage } from '../frame/decode.ts';
import { decoded, offeredFrom, unreadableFinding, type Offered } from './collect.ts';
import type { FromTeacher, ToTeacher } from './teach-protocol.ts';
import type { LessonSettings } from './unfinished.ts';

/** What the parent sends, one message after the other. */
export type Incoming = AsyncGenerator<ToTeacher>;
/** Tells the parent. */
export type Say = (message: FromTeacher) => void;

/** Asks for frames until there are no more, or nobody wants more. */
export async function* framesFrom(incoming: Incoming, say: Say): AsyncGenerator<Offered> {
  for (;;) {
    say({ type: 'next' });
    const { value: message } = (await incoming.next()) as { value: ToTeacher | undefined };
    if (message?.type !== 'frame') return;
    yield message;
  }
}

export interface Item {
  source: string;
  offered: Offered | undefined;
}

type Source = AsyncGenerator<Item>;

/** Pictures on disk that were not taken yet, or what the parent sends. */
export async function* sourceOf(
  pictures: readonly string[] | undefined,
  taken: ReadonlySet<string>,
  incoming: Incoming,
  say: Say,
): Source {
  if (pictures === undefined) {
    for await (const offered of framesFrom(incoming, say)) yield { source: offered.source, offered };
    return;
  }
  for (const source of pictures) {
    if (!taken.has(source)) yield { source, offered: await offeredFrom(source) };
  }
}

/** Parts an alignment is drawn from; they are held until it is, and lost with a process that ends before. */
const REFERENCE_PARTS = 10;

/** Draws the reference that pictures are aligned with from the first of them, which are given back. */
export async function withReference(
  settings: LessonSettings,
  source: Source,
  wanted: number,
  say: Say,
): Promise<{ settings: LessonSettings; first: Item[]; unreadable: string[] }> {
  const { align } = settings;
  if (align === undefined || align.reference !== undefined) return { settings, first: [], unreadable: [] };
  const first: Item[] = [];
  const unreadable: string[] = [];
  const pictures: RgbImage[] = [];
  while (pictures.length < Math.min(REFERENCE_PARTS, wanted)) {
    const next = await source.next();
    if (next.done === true) break;
    const { source: from, offered } = next.value;
    const picture = offered && (await decoded(offered));
    if (picture !== undefined) {
      first.push(next.value);
      pictures.push(picture);
    } else {
      // At once: whoever offers them has to offer another.
      unreadable.push(from);
      say({ type: 'finding', finding: unreadableFinding(from) });
    }
  }
  const reference = await drawReference(pictures, align);
  return { settings: { ...settings, align: { ...align, reference } }, first, unreadable };
}

export async function* chained(first: readonly Item[], rest: Source): Source {
  yield* first;
  yield* rest;
}
