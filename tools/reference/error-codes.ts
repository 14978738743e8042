// Reads from the sources which coded errors there are: their codes with what the declarations say of them, the
// messages they are thrown with, and the hints.
import { relative } from 'node:path';
import ts from 'typescript';

export interface ErrorCode {
  code: string;
  /** Where it comes from: `plc`, `ticket`, `camera-capture`. */
  rooms: string[];
  /** What its declaration says. */
  meaning: string | undefined;
  messages: string[];
  hints: string[];
}

const BASE = 'CodedError';
/** What a class takes in the place of a code may be something else, e.g. the name of a field. */
const CODE = /^[A-Z][A-Z0-9_]+$/;

/** `lib/plc/opcua.ts` → `plc`; what lies in `lib` itself is the house's. */
function roomOf(root: string, file: ts.SourceFile): string {
  const [place = '', room = ''] = relative(root, file.fileName).split('/');
  return place === 'cli' ? 'cli' : room.endsWith('.ts') ? 'lib' : room;
}

/** The text of a message with `…` for what is put in. */
function textOf(node: ts.Expression | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('');
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [textOf(node.left), textOf(node.right)];
    return left === undefined || right === undefined ? undefined : left + right;
  }
  return undefined;
}

/** All it may be, where it is a choice between texts. */
function textsOf(node: ts.Expression | undefined): string[] {
  if (node === undefined) return [];
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression);
  if (ts.isConditionalExpression(node)) return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)];
  const text = textOf(node);
  return text === undefined ? [] : [text];
}

function literalsOf(type: ts.Type): string[] {
  const members = type.isUnion() ? type.types : [type];
  return members.flatMap((member) =>
    member.isStringLiteral() && CODE.test(member.value) ? [member.value] : [],
  );
}

function hintOf(options: ts.Expression | undefined): string[] {
  if (options === undefined || !ts.isObjectLiteralExpression(options)) return [];
  const hint = options.properties.find((property) => property.name?.getText() === 'hint');
  return hint !== undefined && ts.isPropertyAssignment(hint) ? textsOf(hint.initializer) : [];
}

/** What stands before a member of a union as its comment. */
function commentBefore(node: ts.Node): string | undefined {
  const source = node.getSourceFile().text;
  // The comment may stand before the bar of the union.
  const lead = source.slice(0, node.getStart()).replace(/\s*\|?\s*$/, '');
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/$/.exec(lead)?.[1];
  return comment
    ?.replace(/^\s*\*\s?/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Sorted by code. */
export function errorCodes(root: string, files: readonly string[]): ErrorCode[] {
  const config = ts.readConfigFile(`${root}/tsconfig.json`, (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const known = new Map<string, ErrorCode>();

  function entry(code: string, file: ts.SourceFile): ErrorCode {
    const found = known.get(code) ?? { code, rooms: [], meaning: undefined, messages: [], hints: [] };
    known.set(code, found);
    const room = roomOf(root, file);
    if (!found.rooms.includes(room)) found.rooms.push(room);
    return found;
  }

  function isCoded(type: ts.Type): boolean {
    if (type.getSymbol()?.name === BASE) return true;
    return type.isClassOrInterface() && checker.getBaseTypes(type).some(isCoded);
  }

  function declare(node: ts.TypeNode, file: ts.SourceFile): void {
    if (ts.isUnionTypeNode(node)) node.types.forEach((member) => declare(member, file));
    else if (ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal)) {
      entry(node.literal.text, file).meaning ??= commentBefore(node);
    } else if (ts.isTypeReferenceNode(node)) {
      const named = checker.getSymbolAtLocation(node.typeName);
      const isImported = named !== undefined && (named.flags & ts.SymbolFlags.Alias) !== 0;
      const symbol = isImported ? checker.getAliasedSymbol(named) : named;
      for (const declaration of symbol?.declarations ?? []) {
        if (ts.isTypeAliasDeclaration(declaration)) declare(declaration.type, file);
      }
    }
  }

  function visit(node: ts.Node, file: ts.SourceFile): void {
    if (ts.isClassDeclaration(node)) {
      const [base] = node.heritageClauses?.flatMap(({ types }) => [...types]) ?? [];
      if (base !== undefined && isCoded(checker.getTypeAtLocation(base))) {
        base.typeArguments?.forEach((type) => declare(type, file));
      }
    }
    if (ts.isNewExpression(node) && isCoded(checker.getTypeAtLocation(node))) {
      const [code, message, settings] = node.arguments ?? [];
      if (code !== undefined) {
        for (const literal of literalsOf(checker.getTypeAtLocation(code))) {
          // A variable may be any of its type: what is said belongs to none of them alone.
          const found = entry(literal, file);
          if (!ts.isStringLiteralLike(code)) continue;
          found.messages.push(...textsOf(message));
          found.hints.push(...hintOf(settings));
        }
      }
    }
    ts.forEachChild(node, (child) => visit(child, file));
  }

  for (const file of program.getSourceFiles()) {
    if (files.includes(file.fileName)) visit(file, file);
  }
  return [...known.values()]
    .map((found) => ({
      ...found,
      rooms: found.rooms.sort(),
      messages: [...new Set(found.messages)],
      hints: [...new Set(found.hints)],
    }))
    .sort((a, b) => (a.code < b.code ? -1 : 1));
}
