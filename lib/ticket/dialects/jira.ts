/**
 * Jira Cloud's REST API, version 3 (developer.atlassian.com, "Issues", "Issue search"): an issue with a label that
 * names the external id, and the event as an entity property. Jira has no idempotency, and its search learns of a new
 * issue some seconds late: after a lost answer it is asked only when it had time to.
 */
import type { Picture, TicketClient, TicketState } from '../client.ts';
import type { QualityEvent } from '../event.ts';
import {
  assertSuccess,
  listAt,
  parsedJson,
  requireNumber,
  textAt,
  ticketNumber,
  valueAt,
  type Http,
} from '../http.ts';
import { multipart } from '../multipart.ts';
import { fileName, linesOf, titleOf } from '../wording.ts';

export interface JiraOptions {
  /** `QA` of `QA-17`. */
  projectKey: string;
  /** As the project names it, e.g. `Bug`. */
  issueType: string;
  lookUpAfterMs?: number;
}

const NOT_FOUND = 404;
/** Atlassian says that a search may miss what changed "in the last few seconds". */
const LOOK_UP_AFTER_MS = 15_000;
/** What a summary holds. */
const MAX_SUMMARY = 255;

/** Atlassian Document Format: one paragraph a line. */
function documentOf(lines: readonly string[]): object {
  const content = lines.map((text) => ({ type: 'paragraph', content: [{ type: 'text', text }] }));
  return { type: 'doc', version: 1, content };
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

export class JiraTickets implements TicketClient {
  readonly lookUpAfterMs: number;
  readonly #http: Http;
  readonly #options: JiraOptions;

  constructor(http: Http, options: JiraOptions) {
    this.#http = http;
    this.#options = options;
    this.lookUpAfterMs = options.lookUpAfterMs ?? LOOK_UP_AFTER_MS;
  }

  async find(externalId: string, signal: AbortSignal): Promise<string | undefined> {
    const jql = `project = ${quoted(this.#options.projectKey)} AND labels = ${quoted(`jidoka-${externalId}`)}`;
    const json = { jql, fields: ['summary'], maxResults: 1 };
    const found = await this.#http.json({ method: 'POST', path: 'rest/api/3/search/jql', json }, signal);
    return ticketNumber(valueAt(found, 'issues', 0, 'key'));
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const { projectKey, issueType } = this.#options;
    const json = {
      fields: {
        project: { key: projectKey },
        issuetype: { name: issueType },
        summary: titleOf(event, MAX_SUMMARY),
        description: documentOf(linesOf(event)),
        labels: ['jidoka', `jidoka-${event.id}`],
      },
      properties: [{ key: 'jidoka.quality-event', value: event }],
    };
    const created = await this.#http.json({ method: 'POST', path: 'rest/api/3/issue', json }, signal);
    return requireNumber(valueAt(created, 'key'));
  }

  async attach(ticketId: string, picture: Picture, signal: AbortSignal): Promise<void> {
    const issue = `rest/api/3/issue/${encodeURIComponent(ticketId)}`;
    const name = fileName(picture);
    const known = await this.#http.json({ method: 'GET', path: `${issue}?fields=attachment` }, signal);
    const there = listAt(known, 'fields', 'attachment').some((file) => valueAt(file, 'filename') === name);
    if (there) return;
    const { bytes, mediaType } = picture;
    const { contentType, body } = multipart({}, { name: 'file', fileName: name, mediaType, bytes });
    // Without it Jira takes the upload for one a foreign page has started.
    const headers = { 'content-type': contentType, 'x-atlassian-token': 'no-check' };
    await this.#http.json({ method: 'POST', path: `${issue}/attachments`, headers, body }, signal);
  }

  /** One by one: a search over keys fails as a whole when somebody has deleted one of them. */
  async states(ticketIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TicketState>> {
    const states = new Map<string, TicketState>();
    for (const id of ticketIds) {
      const path = `rest/api/3/issue/${encodeURIComponent(id)}?fields=status`;
      const answer = await this.#http.send({ method: 'GET', path }, signal);
      if (answer.status === NOT_FOUND) continue;
      assertSuccess(answer);
      const status = valueAt(parsedJson(answer.body), 'fields', 'status');
      states.set(id, {
        state: valueAt(status, 'statusCategory', 'key') === 'done' ? 'closed' : 'open',
        said: textAt(status, 'name'),
      });
    }
    return states;
  }

  close(): void {
    this.#http.close();
  }
}
