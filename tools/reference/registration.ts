// Reads what a dialog registers with the editor, without running it.
import ts from 'typescript';

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
