/** Reads what the package says and ships about each of its nodes, the way the flow library and the editor do. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { registrationsIn, type Registration } from '../../tools/reference/registration.ts';
import { ourNodeTypes } from '../support/node-red.ts';
import { repositoryRoot } from '../support/shared.ts';

export interface PackageJson {
  name: string;
  version: string;
  license?: string;
  keywords?: string[];
  repository?: unknown;
  bugs?: unknown;
  engines?: { node?: string };
  files?: string[];
  dependencies?: Record<string, string>;
  'node-red': { version?: string; nodes: Record<string, string>; plugins?: Record<string, string> };
}

export function packageJson(): PackageJson {
  return JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as PackageJson;
}

/** A file of the repository as text; fails with a sentence that says what it would be for. */
export function textOf(path: string, purpose: string): string {
  assert.ok(existsSync(join(repositoryRoot, path)), `${path} is missing: ${purpose}`);
  return readFileSync(join(repositoryRoot, path), 'utf8');
}

export function filesOf(pattern: string): string[] {
  return globSync(pattern, { cwd: repositoryRoot }).sort();
}

export function dialogOf(type: string): string {
  return textOf(`nodes/${type}/${type}.html`, `the editor knows nothing of ${type} without it`);
}

export function sourceOf(type: string): string {
  return textOf(`nodes/${type}/${type}.ts`, `package.json lists the node ${type}`);
}

export function catalogueOf(type: string, language: string): unknown {
  const path = `nodes/${type}/locales/${language}/${type}.json`;
  return JSON.parse(textOf(path, `the texts of ${type} in ${language}`));
}

export function helpOf(type: string, language: string): string {
  return textOf(`nodes/${type}/locales/${language}/${type}.html`, `the help of ${type} in ${language}`);
}

/** What a flow holds, as exported by the editor. */
export function flowOf(path: string): Record<string, unknown>[] {
  const flow: unknown = JSON.parse(textOf(path, 'it is listed here'));
  assert.ok(Array.isArray(flow), `${path} must be an array of nodes, as the editor exports it`);
  return flow as Record<string, unknown>[];
}

/** Every flow a user can import or start. */
export function shippedFlows(): string[] {
  return [...filesOf('examples/**/*.json'), ...filesOf('flows/*/flow.json')];
}

export function registrationOf(type: string): Registration {
  const registration = registrationsIn(dialogOf(type)).find((candidate) => candidate.type === type);
  assert.ok(
    registration,
    `nodes/${type}/${type}.html has no RED.nodes.registerType('${type}', {…}) with a literal name and object ` +
      'in a <script type="text/javascript">',
  );
  return registration;
}

export function isConfigNode(registration: Registration): boolean {
  return registration.literals.get('category') === 'config';
}

export { ourNodeTypes, registrationsIn };
