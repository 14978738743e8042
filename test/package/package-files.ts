/** Reads what the package says and ships about each of its nodes, the way the flow library and the editor do. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
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

/** The arguments of `RED.nodes.registerType(…)` in a dialog, without running it. */
export interface Registration {
  type: string;
  /** Values of the properties that are literals. */
  literals: Map<string, string | number | boolean>;
  /** Names of all properties. */
  properties: Set<string>;
  /** For each default, the value it starts with where that is a literal. */
  defaults: Map<string, string | number | boolean | undefined>;
}

function nameOf(property: ts.ObjectLiteralElementLike): string | undefined {
  const { name } = property;
  if (name === undefined) return undefined;
  return ts.isIdentifier(name) || ts.isStringLiteral(name) ? name.text : undefined;
}

function literalOf(expression: ts.Expression): string | number | boolean | undefined {
  if (ts.isStringLiteralLike(expression)) return expression.text;
  if (ts.isNumericLiteral(expression)) return Number(expression.text);
  if (expression.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (expression.kind === ts.SyntaxKind.FalseKeyword) return false;
  return undefined;
}

function propertiesOf(literal: ts.ObjectLiteralExpression): Map<string, ts.Expression | undefined> {
  const properties = new Map<string, ts.Expression | undefined>();
  for (const property of literal.properties) {
    const name = nameOf(property);
    if (name !== undefined) {
      properties.set(name, ts.isPropertyAssignment(property) ? property.initializer : undefined);
    }
  }
  return properties;
}

function readRegistration(call: ts.CallExpression): Registration | undefined {
  const [type, definition] = call.arguments;
  if (type === undefined || !ts.isStringLiteral(type)) return undefined;
  if (definition === undefined || !ts.isObjectLiteralExpression(definition)) return undefined;
  const properties = propertiesOf(definition);
  const literals = new Map<string, string | number | boolean>();
  for (const [name, expression] of properties) {
    const literal = expression === undefined ? undefined : literalOf(expression);
    if (literal !== undefined) literals.set(name, literal);
  }
  const defaults = new Map<string, string | number | boolean | undefined>();
  const inline = properties.get('defaults');
  if (inline !== undefined && ts.isObjectLiteralExpression(inline)) {
    for (const [name, expression] of propertiesOf(inline)) {
      const value =
        expression !== undefined && ts.isObjectLiteralExpression(expression)
          ? propertiesOf(expression).get('value')
          : undefined;
      defaults.set(name, value === undefined ? undefined : literalOf(value));
    }
  }
  return { type: type.text, literals, properties: new Set(properties.keys()), defaults };
}

/** Reads only `<script type="text/javascript">`: the flow library's parser sees no other script. */
export function registrationsIn(html: string): Registration[] {
  const registrations: Registration[] = [];
  for (const [, script = ''] of html.matchAll(/<script type="text\/javascript">([\s\S]*?)<\/script>/g)) {
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && node.expression.getText() === 'RED.nodes.registerType') {
        const registration = readRegistration(node);
        if (registration !== undefined) registrations.push(registration);
      }
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile('dialog.js', script, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS));
  }
  return registrations;
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

export { ourNodeTypes };
