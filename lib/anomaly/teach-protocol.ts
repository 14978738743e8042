/** What the teaching process and its parent say to each other. */
import type { FrameFormat } from '../frame/frame.ts';
import type { Finding, FindingKind } from './findings.ts';
import type { ModelManifest } from './manifest.ts';
import type { PartLabel } from './parts.ts';
import type { TeachingProgress } from './teaching.ts';
import type { CollectedLine, LessonSettings } from './unfinished.ts';

/** Where a model is, and where its next version is made. */
interface Place {
  /** Of all models. */
  folder: string;
  name: string;
  /** Folder to make; `model.onnx` and the side files go there. */
  draft: string;
}

export interface TeachJob extends Place {
  kind: 'teach';
  settings: LessonSettings;
  wanted?: number;
  /** Taken from disk by the process itself; else frames come by message. */
  pictures?: readonly string[];
  /** Ids of stored parts to teach from, instead of any other source. */
  parts?: readonly string[];
  /** Those of {@link parts} that were learned from corrections. */
  learned?: readonly string[];
  /** What the lesson collected before it was cut off; undefined for one that leaves no record. */
  resumed: readonly CollectedLine[] | undefined;
  leaveOut: readonly FindingKind[];
  /** Ids of known defects, for the acceptance test. */
  defects?: readonly string[];
}

/** Collects for a draft; teaches nothing. */
export interface CollectJob {
  kind: 'collect';
  folder: string;
  name: string;
  settings: LessonSettings;
  /** Different parts after which it stops, those it has already among them. */
  wanted: number;
  /** Taken from disk by the process itself; else frames come by message. */
  pictures?: readonly string[];
  /** What the draft has. */
  before: readonly CollectedLine[];
}

export interface LearnJob extends Place {
  kind: 'learn';
  /** Of the version to learn on from. */
  path: string;
  remove: readonly string[];
  /** Stored parts to add under a label; more may come as frames. */
  add: readonly { id: string; label: PartLabel; partId?: string }[];
}

export interface CheckJob {
  kind: 'check';
  settings: Pick<LessonSettings, 'width' | 'height'>;
  pictures?: readonly string[];
}

export type Job = TeachJob | LearnJob | CheckJob | CollectJob;

export type ToTeacher =
  | { type: 'start'; job: Job }
  | {
      type: 'frame';
      bytes: Uint8Array;
      width: number;
      height: number;
      format: FrameFormat;
      source: string;
      label?: PartLabel;
      partId?: string;
      /** Passed on to the draft it is collected for. */
      unusual?: true;
    }
  /** No more frames, or pictures: go on with those that came. */
  | { type: 'end' };

/** What of a manifest the process settles. */
export type Taught = Pick<
  ModelManifest,
  | 'digest'
  | 'method'
  | 'why'
  | 'candidates'
  | 'backbone'
  | 'bankSize'
  | 'input'
  | 'parts'
  | 'memorised'
  | 'learned'
  | 'scores'
  | 'defects'
  | 'defectScores'
  | 'findings'
  | 'skipped'
  | 'embedding'
  | 'files'
>;

export interface Learned {
  taught: Taught;
  /** Ids that came, went, or changed sides. */
  added: string[];
  removed: string[];
  defects: string[];
}

export interface Checked {
  /** Pictures that could be read and are not the same as one before. */
  parts: number;
  findings: Finding[];
}

export type FromTeacher =
  /** Ready for one more frame; keeps at most one frame in flight however fast the source is. */
  | { type: 'next' }
  | { type: 'progress'; progress: TeachingProgress }
  /** While it collects; all of them come with the result. */
  | { type: 'finding'; finding: Finding }
  /** A draft has one more part. */
  | { type: 'collected'; line: CollectedLine }
  /** All that is to be said of a draft's parts so far. */
  | { type: 'looked'; findings: Finding[] }
  | { type: 'taught'; taught: Taught }
  | { type: 'learned'; learned: Learned }
  | { type: 'checked'; checked: Checked }
  | { type: 'gathered'; findings: Finding[] }
  | { type: 'failed'; code: string; message: string; hint?: string };
