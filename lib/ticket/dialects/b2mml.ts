/**
 * B2MML, MESA's XML of ISA-95, in its message model of verbs and nouns: `ProcessOperationsEvent` reports, and
 * `GetOperationsEvent` asks for what is there under an id; the answers are `AcknowledgeOperationsEvent` and
 * `ShowOperationsEvent`. All are posted to one address. Receivers differ in which optional elements they know: what
 * has no element of its own travels as properties of the event's record.
 */
import type { TicketClient, TicketState } from '../client.ts';
import type { QualityEvent } from '../event.ts';
import type { Answer } from '../exchange.ts';
import { assertSuccess, type Http } from '../http.ts';
import { TicketError } from '../ticket-error.ts';
import { escapeMarkup, titleOf } from '../wording.ts';

export interface B2mmlOptions {
  /** Below the base address; empty for the base address itself. */
  path: string;
  /** Who sends, as the receiver knows it. */
  senderId: string;
}

const NAMESPACE = 'http://www.mesa.org/xml/B2MML';
const CONFLICT = 409;
/** Taken, with nothing to say about it. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([202, 204]);
/** A verb that says no (OAGIS `ResponseExpression`, which B2MML's verbs are made of), or a fault. */
const REFUSAL = /\sactionCode\s*=\s*["']\s*Reject|<(?:[\w.-]{1,100}:)?(?:BODFailureMessage|Fault)[\s/>]/i;
/** What may stand before the outermost element. */
const PROLOGUE = [
  ['<?', '?>'],
  ['<!--', '-->'],
  ['<!', '>'],
] as const;

type Xml = readonly [name: string, content: string | readonly Xml[]];

function written([name, content]: Xml): string {
  const inside = typeof content === 'string' ? escapeMarkup(content) : content.map(written).join('');
  return `<${name}>${inside}</${name}>`;
}

function unescaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => entities[name] ?? '');
}

/** A tag with its local name and what follows it; nothing in it is read twice, however long the text. */
const TAG = /<(\/?)(?:[\w.-]{1,100}:)?([\w.-]{1,100})((?:\s[^<>]*)?\/?)>/g;

/** What stands in the elements of this name, whatever their prefix; no element has others of its own name inside. */
function elements(xml: string, name: string): string[] {
  const found: string[] = [];
  let begin: number | undefined;
  for (const match of xml.matchAll(TAG)) {
    const [tag, slash, local, rest = ''] = match;
    if (local !== name) continue;
    if (slash === '/') {
      if (begin !== undefined) found.push(xml.slice(begin, match.index));
      begin = undefined;
    } else if (!rest.endsWith('/')) {
      begin ??= match.index + tag.length;
    }
  }
  return found;
}

function textOf(xml: string, name: string): string | undefined {
  const [first] = elements(xml, name);
  return first === undefined ? undefined : unescaped(first.trim());
}

/** The name of the outermost element, without its prefix; undefined for what is no XML. */
function rootOf(xml: string): string | undefined {
  let rest = xml.trimStart();
  for (;;) {
    const prologue = PROLOGUE.find(([begin]) => rest.startsWith(begin));
    if (prologue === undefined) break;
    const end = rest.indexOf(prologue[1]);
    if (end < 0) return undefined;
    rest = rest.slice(end + prologue[1].length).trimStart();
  }
  return /^<(?:[\w.-]{1,100}:)?([\w.-]{1,100})[\s/>]/.exec(rest)?.[1];
}

/**
 * What answers 200 may be no MES at all, or one that says something else than was asked.
 * @throws TicketError `MES_BUSY` for a page of a proxy, `MES_BAD_ANSWER`
 */
function assertRoot({ status, body }: Answer, expected: string): void {
  const root = rootOf(body);
  if (root === expected) return;
  const page = root?.toLowerCase() === 'html' || /^\s*<!doctype html/i.test(body);
  throw new TicketError(
    page ? 'MES_BUSY' : 'MES_BAD_ANSWER',
    `the MES answered ${status} with ${root ?? 'no XML'} instead of ${expected}: ${body.slice(0, 200)}`,
    { status, hint: 'Check that the address is the one that takes B2MML messages.' },
  );
}

function properties(event: QualityEvent): [string, string, string][] {
  const { material, verdict, model, equipment } = event;
  const known: [string, string, string][] = [
    ['DefectClass', event.defectClass, ''],
    ['Severity', event.severity, ''],
    ['PartID', event.part.id, ''],
    ['MaterialDefinitionID', material.definition, ''],
    ['MaterialLotID', material.lot, ''],
    ['SerialNumber', material.serial, ''],
    ['CameraID', equipment.camera, ''],
    ['Decision', verdict?.decision ?? '', ''],
    ['DecisionReason', verdict?.reason ?? '', ''],
    ['Model', model === null ? '' : `${model.name} ${model.version}`, ''],
    ['ModelDigest', model?.digest ?? '', ''],
    ...event.measurements.map(({ name, value, unit }): [string, string, string] => [
      name,
      String(value),
      unit,
    ]),
    ...event.evidence.map(({ role, sha256 }): [string, string, string] => [`Evidence.${role}`, sha256, '']),
  ];
  return known.filter(([, value]) => value !== '');
}

/** The levels that have a name, each around the next one below. */
function scopeOf({ hierarchyScope, equipment }: QualityEvent): Xml[] {
  const { enterprise, site, area, line, station } = hierarchyScope;
  const levels: [string, string][] = [
    ['Enterprise', enterprise],
    ['Site', site],
    ['Area', area],
    ['ProductionLine', line],
    ['WorkCell', equipment.id === '' ? station : equipment.id],
  ];
  return levels
    .filter(([, id]) => id !== '')
    .reduceRight<Xml[]>(
      (inside, [level, id]) => [
        ['HierarchyScope', [['EquipmentID', id], ['EquipmentLevel', level], ...inside]],
      ],
      [],
    );
}

export class B2mmlTickets implements TicketClient {
  readonly #http: Http;
  readonly #options: B2mmlOptions;

  constructor(http: Http, options: B2mmlOptions) {
    this.#http = http;
    this.#options = options;
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const [event] = await this.#get([externalId], signal);
    return event?.id === externalId ? event.ticketId : undefined;
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const record: Xml[] = properties(event).map(([id, value, unit]) => [
      'OperationsEventProperty',
      [
        ['ID', id],
        ['Value', [['ValueString', value], ...(unit === '' ? [] : [['UnitOfMeasure', unit] as const])]],
      ],
    ]);
    const body = this.#message('Process', event.id, [
      [
        'OperationsEvent',
        [
          ['ID', event.id],
          ['Description', titleOf(event)],
          ...scopeOf(event),
          ['RecordTimestamp', event.occurredAt],
          ['EffectiveTimestamp', event.occurredAt],
          ['OperationsEventType', event.type],
          ...record,
        ],
      ],
    ]);
    const headers = { 'idempotency-key': event.id };
    const answer = await this.#post(body, headers, signal);
    if (answer.status === CONFLICT) {
      const known = await this.find(event.id, signal);
      if (known !== undefined) return known;
    }
    assertSuccess(answer);
    if (WITHOUT_BODY.has(answer.status) && answer.body.trim() === '') return event.id;
    assertRoot(answer, 'AcknowledgeOperationsEvent');
    if (REFUSAL.test(answer.body)) {
      throw new TicketError('MES_REJECTED', `the MES does not take it: ${answer.body.slice(0, 200)}`, {
        status: answer.status,
        hint: 'The ticket is set aside. Correct what the MES complains about and put the ticket back.',
      });
    }
    // An acknowledgement may give the event a number of the receiver's own, or say nothing but yes.
    const [acknowledged] = elements(answer.body, 'OperationsEvent');
    return (acknowledged === undefined ? undefined : textOf(acknowledged, 'ID')) ?? event.id;
  }

  async states(ticketIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TicketState>> {
    const events = await this.#get(ticketIds, signal);
    return new Map(
      events.map(({ ticketId, status }) => [
        ticketId,
        { state: /^(closed|completed?|cancell?ed|aborted)$/i.test(status) ? 'closed' : 'open', said: status },
      ]),
    );
  }

  close(): void {
    this.#http.close();
  }

  async #get(ids: readonly string[], signal: AbortSignal) {
    const asked = ids.map((id): Xml => ['OperationsEvent', [['ID', id]]]);
    const answer = await this.#post(this.#message('Get', ids[0] ?? '', asked), {}, signal);
    assertSuccess(answer);
    assertRoot(answer, 'ShowOperationsEvent');
    return elements(answer.body, 'OperationsEvent').map((event) => {
      const ticketId = textOf(event, 'ID') ?? '';
      // A receiver that numbers events itself says in the reference whose event it is.
      return {
        ticketId,
        id: textOf(event, 'ExternalReference') ?? ticketId,
        status: textOf(event, 'Status') ?? '',
      };
    });
  }

  #post(body: string, headers: Record<string, string>, signal: AbortSignal) {
    const typed = { accept: 'application/xml', 'content-type': 'application/xml; charset=utf-8', ...headers };
    return this.#http.send({ method: 'POST', path: this.#options.path, headers: typed, body }, signal);
  }

  #message(verb: 'Process' | 'Get', id: string, nouns: readonly Xml[]): string {
    const area: Xml = [
      'ApplicationArea',
      [
        ['Sender', [['LogicalID', this.#options.senderId]]],
        ['CreationDateTime', new Date().toISOString()],
        ['BODID', `${verb}-${id}`],
      ],
    ];
    const inside = [area, ['DataArea', [[verb, ''], ...nouns]] as const].map(written).join('');
    const name = `${verb}OperationsEvent`;
    if (Buffer.byteLength(inside) > 1024 * 1024) {
      throw new TicketError('MES_TEMPLATE_FAILED', 'the message is larger than a megabyte');
    }
    return `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="${NAMESPACE}" releaseID="7.0">${inside}</${name}>`;
  }
}
