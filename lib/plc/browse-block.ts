/** The command block of `docs/plc` in what a PLC offers: which of its tags lie in a folder, by their names. */
import type { BrowseEntry, TagBrowser } from './browse.ts';

/** What the gateway writes and reads (docs/plc/JidokaCommand.st). */
const BLOCK_MEMBERS = [
  'Value',
  'TtlMs',
  'DecisionRef',
  'CmdId',
  'AckId',
  'AckResult',
  'AppliedValue',
  'Heartbeat',
  'Arm',
  'ModeManual',
  'InterlockOk',
] as const;
export type BlockMember = (typeof BLOCK_MEMBERS)[number];

const MAX_ENTRIES = 100;
/** An S7-1500 puts a block's tags into folders of its own: Inputs, Outputs, Static. */
const MAX_FOLDERS = 6;

/** The tags of a block in this folder, or in folders right below it; what is nearer counts. */
export async function blockIn(
  browser: TagBrowser,
  node: string,
  signal: AbortSignal,
): Promise<Partial<Record<BlockMember, BrowseEntry>>> {
  const page = { from: 0, limit: MAX_ENTRIES, signal };
  const { entries } = await browser.children(node, page);
  const inFolders: BrowseEntry[] = [];
  for (const { id } of entries.filter(({ kind }) => kind !== 'variable').slice(0, MAX_FOLDERS)) {
    inFolders.push(...(await browser.children(id, page)).entries);
  }
  const members: Partial<Record<BlockMember, BrowseEntry>> = {};
  for (const entry of [...entries, ...inFolders]) {
    const member = BLOCK_MEMBERS.find((name) => plain(name) === plain(entry.name));
    if (member !== undefined && entry.tagType !== undefined) members[member] ??= entry;
  }
  return members;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}
