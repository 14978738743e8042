/** Every text is there in both languages, and every key that is used has a text. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../support/shared.ts';
import {
  catalogueOf,
  dialogOf,
  filesOf,
  helpOf,
  isConfigNode,
  ourNodeTypes,
  registrationOf,
  textOf,
} from './package-files.ts';

/** Names that nobody translates: protocols, data types, security policies, word orders, formats. */
const STANDARDS =
  /^(OPC UA|Modbus TCP|HTTP|HTTPS|MJPEG|REST|ONNX|JSON|JPEG|WebP|PNG|TCP|UDP|Mono8|RGB8|BayerRG8|CPU|CUDA|WebGPU|TensorRT|DirectML|CoreML|OpenVINO|YOLOX|YOLOv8|ImageNet|RGB|BGR|Boolean|Byte|SByte|U?Int(16|32|64)|Float|Double|String|Basic256Sha256|Aes128_Sha256_RsaOaep|Aes256_Sha256_RsaPss|ABCD|CDAB|BADC|DCBA|[a-z]+(16|32|64))$/;

const LANGUAGES = ['en-US', 'de'] as const;
/** What one picture of the help may weigh, and all together: they are shipped. */
const MAX_PICTURE_BYTES = 40_000;
const MAX_HELP_BYTES = 350_000;

interface Picture {
  alt: string;
  name: string;
}

/** The pictures that a help shows, by the address at which Node-RED serves them. */
function picturesOf(type: string, language: string): Picture[] {
  const links = helpOf(type, language).matchAll(
    /!\[([^\]]*)\]\(resources\/@jidoka\/node-red\/help\/([^)]+)\)/g,
  );
  return [...links].map(([, alt = '', name = '']) => ({ alt, name }));
}

/** `{a: {b: 'text'}}` as `a.b → text`. */
function flatten(value: unknown, path = ''): Map<string, string> {
  if (typeof value === 'string') return new Map([[path, value]]);
  assert.ok(typeof value === 'object' && value !== null, `${path} is not a text`);
  const entries = Object.entries(value).flatMap(([key, inner]) => [
    ...flatten(inner, path === '' ? key : `${path}.${key}`),
  ]);
  return new Map(entries);
}

/** The `__placeholders__` of a text, in alphabetical order. */
function placeholdersOf(text: string): string[] {
  return [...text.matchAll(/__(\w+?)__/g)].map(([placeholder]) => placeholder).sort();
}

function matchesOf(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, match = '']) => match);
}

/**
 * Keys of the node's own catalogue that the dialog's code in `resources/` asks for, as `text('a.b')`.
 * Where a part of the key is computed, one of the kind must be there.
 */
function resourceKeys(type: string, known: Iterable<string>): string[] {
  const html = dialogOf(type);
  const files = matchesOf(html, /src="resources\/@jidoka\/node-red\/([\w-]+\.js)"/g);
  const keys = files.flatMap((file) => {
    const source = textOf(`resources/${file}`, `the dialog of ${type} loads it`);
    return matchesOf(source, /\btext\(\s*['`]([\w.${}-]+)['`]/g);
  });
  const all = [...known];
  return keys.map((key) => {
    const pattern = new RegExp(
      `^${type}[.]${key.replaceAll('.', '[.]').replace(/\$\{[^}]+\}/g, '[\\w-]+')}$`,
    );
    return all.find((each) => pattern.test(each)) ?? `${type}.${key}`;
  });
}

/** Keys of the node's own catalogue that its dialog uses. */
function dialogKeys(type: string): string[] {
  const html = dialogOf(type);
  const attributes = matchesOf(html, /data-i18n="([^"]+)"/g).flatMap((attribute) =>
    attribute.split(';').map((part) => part.replace(/^\[[\w-]+\]/, '')),
  );
  const calls = matchesOf(html, /(?:\b_|RED\._)\(\s*'([^'$]+)'\s*[,)]/g);
  return [...attributes, ...calls]
    .filter((key) => key.trim() !== '' && !key.startsWith('node-red:') && !key.startsWith('editor:'))
    .map((key) => key.replace(/^@jidoka\/node-red\/[\w-]+:/, ''));
}

/** Keys that the running node uses: `status.show('ready', 'waiting')`, `translate('type.error.x')`. */
function runtimeKeys(type: string): string[] {
  return filesOf(`nodes/${type}/*.ts`).flatMap((path) => {
    const source = textOf(path, 'it was just listed');
    const statuses = matchesOf(source, /status\.show\(\s*'\w+',\s*'([\w.-]+)'/g).map(
      (key) => `${type}.status.${key}`,
    );
    const texts = matchesOf(source, /translate\(\s*'([\w.-]+)'/g);
    return [...statuses, ...texts];
  });
}

for (const type of ourNodeTypes()) {
  describe(`the texts of ${type}`, () => {
    it('have the same keys and placeholders in English and German', () => {
      const english = flatten(catalogueOf(type, 'en-US'));
      const german = flatten(catalogueOf(type, 'de'));
      assert.deepEqual([...german.keys()].sort(), [...english.keys()].sort());
      for (const [key, text] of english) {
        assert.notEqual(text.trim(), '', `${key} is empty in English`);
        assert.notEqual(german.get(key)?.trim(), '', `${key} is empty in German`);
        assert.deepEqual(
          placeholdersOf(german.get(key) ?? ''),
          placeholdersOf(text),
          `placeholders of ${key}`,
        );
      }
    });

    it('exist for every key the dialog and the node use', () => {
      const known = flatten(catalogueOf(type, 'en-US'));
      const used = [...dialogKeys(type), ...resourceKeys(type, known.keys()), ...runtimeKeys(type)];
      const missing = used.filter((key) => !known.has(key));
      assert.deepEqual([...new Set(missing)], [], 'keys without a text');
    });

    it('fit under the node: a status is at most 20 characters', () => {
      for (const language of LANGUAGES) {
        for (const [key, text] of flatten(catalogueOf(type, language))) {
          if (!key.startsWith(`${type}.status.`)) continue;
          const shortest = text.replaceAll(/__\w+?__/g, '0');
          assert.ok(shortest.length <= 20, `${language} ${key} is too long: “${text}”`);
        }
      }
    });

    for (const language of LANGUAGES) {
      it(`come with help in ${language}: intro, inputs, outputs, details`, () => {
        const help = helpOf(type, language);
        const opening = `<script type="text/markdown" data-help-name="${type}">`;
        assert.ok(help.includes(opening), `the help must open with ${opening}`);
        const text = help.slice(help.indexOf(opening) + opening.length);
        const intro = text.slice(0, text.indexOf('###')).trim();
        assert.ok(intro.length > 40, 'the help opens with two or three lines of intro');
        const config = isConfigNode(registrationOf(type));
        // As Node-RED's own nodes have them.
        const ports = language === 'de' ? ['Eingangsdaten', 'Ausgangsdaten'] : ['Inputs', 'Outputs'];
        for (const title of config ? ['Details'] : [...ports, 'Details']) {
          const section = `### ${title}`;
          assert.ok(text.includes(`\n${section}\n`), `${section} is missing`);
        }
        assert.doesNotMatch(text, /\n[ \t]+###/, 'an indented heading is shown as code');
      });
    }

    it('show the same pictures in the help of both languages, each said in its words', () => {
      const [english = [], german = []] = LANGUAGES.map((language) => picturesOf(type, language));
      assert.notEqual(english.length, 0, 'the help has no picture');
      assert.deepEqual(
        german.map(({ name }) => name),
        english.map(({ name }) => name),
      );
      for (const [at, { alt, name }] of english.entries()) {
        assert.ok(existsSync(join(repositoryRoot, 'resources', 'help', name)), `${name} is missing`);
        assert.ok(alt !== '' && german[at]?.alt !== '' && german[at]?.alt !== alt, `what is on ${name}?`);
      }
    });
  });

  describe(`the dialog of ${type}`, () => {
    it('has an icon', () => {
      const registration = registrationOf(type);
      if (isConfigNode(registration)) return;
      const icon = String(registration.literals.get('icon'));
      assert.ok(existsSync(join(repositoryRoot, 'icons', icon)), `icons/${icon} is missing`);
    });

    it('saves the version of its configuration', () => {
      assert.equal(
        typeof registrationOf(type).defaults.get('version'),
        'number',
        'defaults.version has no number',
      );
    });

    it('takes its colours from the theme', () => {
      const html = dialogOf(type).replace(/^\s*color:\s*['"]#[0-9A-Fa-f]{6}['"],?\s*$/m, '');
      const painted = [
        ...html.matchAll(
          /(?:color|background|border|fill|stroke)[\w-]*['"]?\s*[:=]\s*['"]?\s*(#[0-9A-Fa-f]{3,8}\b|rgba?\(|hsla?\(|(?:white|black|red|green|blue|gr[ae]y|orange|yellow)\b)/gi,
        ),
      ].map(([found]) => found);
      assert.deepEqual(painted, [], 'use var(--red-ui-…) instead');
    });

    it('puts every visible text through the catalogue', () => {
      const templates = matchesOf(
        dialogOf(type),
        /<script type="text\/html" data-template-name="[\w-]+">([\s\S]*?)<\/script>/g,
      );
      assert.equal(templates.length, 1, 'there is one template of type text/html');
      const bare = matchesOf(templates.join('\n').replaceAll(/<!--[\s\S]*?-->/g, ''), />([^<>]+)</g)
        .map((text) => text.trim())
        // Units, signs and names of standards are the same in every language.
        .filter((text) => /\p{Letter}{3,}/u.test(text) && !STANDARDS.test(text));
      assert.deepEqual(bare, [], 'texts outside the catalogue');
    });
  });
}

describe('the pictures of the help', () => {
  const shipped = filesOf('resources/help/*');

  it('are all shown somewhere', () => {
    const shown = ourNodeTypes().flatMap((type) =>
      LANGUAGES.flatMap((language) => picturesOf(type, language).map(({ name }) => `resources/help/${name}`)),
    );
    assert.deepEqual([...new Set(shown)].toSorted(), shipped);
  });

  it('are light enough to be shipped', () => {
    const bytes = shipped.map((path) => statSync(join(repositoryRoot, path)).size);
    assert.ok(Math.max(...bytes) <= MAX_PICTURE_BYTES, `${bytes.join(', ')} bytes`);
    assert.ok(bytes.reduce((sum, each) => sum + each, 0) <= MAX_HELP_BYTES, `${bytes.join(' + ')} bytes`);
  });
});
