/** anomaly-score: how far each part is from the good parts it was taught with. */
import { isInspection } from '../../lib/inspection/inspection.ts';
import type { ConfigReader, Migration } from '../runtime/config.ts';
import { alarmsOf, type NodeAlarms } from '../runtime/alarms.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { partOpener, stationOf, type OpenPart } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { pictureConfig } from './picture-config.ts';
import { PictureSubject } from './picture-subject.ts';
import { anomalyRoutes } from './routes.ts';
import { signalConfig } from './signal-config.ts';
import { SignalSubject } from './signal-subject.ts';
import type { Subject, SubjectMaker } from './subject.ts';

interface Config {
  stationId: string;
  subject: SubjectMaker;
}

const TEACH_TOPIC = 'jidoka/teach';

/** Each reads its own fields, and makes the subject of them. */
const SUBJECTS = {
  pictures: (config: ConfigReader): SubjectMaker => {
    const pictures = pictureConfig(config);
    return (context, station) => new PictureSubject(context, station, pictures);
  },
  signals: (config: ConfigReader): SubjectMaker => {
    const signals = signalConfig(config);
    return (context, station) => new SignalSubject(context, station, signals);
  },
};
const LOOKS = Object.keys(SUBJECTS) as (keyof typeof SUBJECTS)[];

/** Before there was anything else there were pictures, compared patch by patch. */
const toVersion2: Migration = (raw) => ({ ...raw, version: 2, looks: 'pictures', method: 'patch-nn' });

function normalise(config: ConfigReader): Config {
  const looks = config.choice('looks', LOOKS, 'pictures');
  return { stationId: config.text('station'), subject: SUBJECTS[looks](config) };
}

class ScoreHandler implements Handlers {
  readonly #subject: Subject;
  readonly #open: OpenPart;
  readonly #alarms: NodeAlarms;

  constructor(subject: Subject, open: OpenPart, alarms: NodeAlarms) {
    this.#subject = subject;
    this.#open = open;
    this.#alarms = alarms;
  }

  async input(message: Message, signal: AbortSignal): Promise<Outputs> {
    if (message.topic === TEACH_TOPIC) return [null, await this.#subject.teach()];
    this.#subject.check(message);
    const inspection = isInspection(message.inspection) ? message.inspection : await this.#open();
    message.inspection = inspection;
    return this.#subject.score(message, inspection, signal);
  }

  async close(removed: boolean): Promise<void> {
    await this.#subject.close();
    if (removed) this.#alarms.clear('MODEL_MISSING', 'DRIFT');
  }
}

async function start(context: NodeContext<Config>): Promise<Handlers> {
  const station = stationOf(context.RED, context.config.stationId);
  const subject = context.config.subject(context, station);
  try {
    await subject.start();
  } catch (error) {
    await subject.close();
    throw error;
  }
  return new ScoreHandler(subject, partOpener(station), alarmsOf(context.node, station));
}

export default function register(RED: NodeAPI): void {
  anomalyRoutes(RED);
  registerNode<Config>(RED, { type: 'anomaly-score', migrations: [toVersion2], normalise, start });
}
