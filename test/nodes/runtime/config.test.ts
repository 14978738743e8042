import assert from 'node:assert/strict';
import { ConfigError, ConfigReader, migrate } from '../../../nodes/runtime/config.ts';
import type { RawConfig } from '../../../nodes/runtime/types.ts';

function raw(properties: Record<string, unknown>): RawConfig {
  return { id: 'n', type: 't', name: '', z: '', ...properties };
}

function reader(properties: Record<string, unknown>): ConfigReader {
  return new ConfigReader(raw(properties));
}

/** The error names the field, so that the person finds it in the dialog. */
function wrong(field: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.equal(error.field, field);
    assert.match(error.message, message);
    assert.match(error.hint ?? '', /deploy/);
    return true;
  };
}

describe('reading a configuration', () => {
  it('takes text as it is, and the fallback where the field was left empty', () => {
    assert.equal(reader({ folder: '/data' }).text('folder'), '/data');
    for (const empty of ['', null, undefined]) {
      assert.equal(reader({ folder: empty }).text('folder', '/tmp'), '/tmp');
      assert.throws(() => reader({ folder: empty }).text('folder'), wrong('folder', /missing/));
    }
    assert.throws(() => reader({ folder: 7 }).text('folder'), wrong('folder', /not text/));
  });

  it('takes numbers as the editor saves them, as text', () => {
    assert.equal(reader({ port: '502' }).number('port'), 502);
    assert.equal(reader({ port: ' 502 ' }).number('port'), 502);
    assert.equal(reader({ port: 502 }).number('port'), 502);
    assert.equal(reader({ port: '' }).number('port', { fallback: 502 }), 502);
    assert.equal(reader({ port: 0 }).number('port', { fallback: 502 }), 0);
  });

  it('refuses what is no number instead of reading it as zero', () => {
    for (const value of ['abc', '1,5', '   ', 'Infinity', NaN, true, [], {}, ['3']]) {
      assert.throws(
        () => reader({ port: value }).number('port'),
        wrong('port', /not a number/),
        JSON.stringify(value),
      );
    }
    assert.throws(() => reader({}).number('port'), wrong('port', /missing/));
  });

  it('keeps numbers within their bounds, bounds included', () => {
    const bounds = { min: 1, max: 10, integer: true };
    assert.equal(reader({ count: '1' }).number('count', bounds), 1);
    assert.equal(reader({ count: '10' }).number('count', bounds), 10);
    assert.throws(() => reader({ count: '0' }).number('count', bounds), wrong('count', /between 1 and 10/));
    assert.throws(() => reader({ count: '11' }).number('count', bounds), wrong('count', /between 1 and 10/));
    assert.throws(() => reader({ count: '1.5' }).number('count', bounds), wrong('count', /whole/));
  });

  it('tells a number that was left empty from zero', () => {
    assert.equal(reader({ deadline: '' }).optionalNumber('deadline'), undefined);
    assert.equal(reader({ deadline: '0' }).optionalNumber('deadline'), 0);
    assert.throws(
      () => reader({ deadline: '-1' }).optionalNumber('deadline', { min: 0 }),
      wrong('deadline', /between/),
    );
  });

  it('takes true and false, as words too, and nothing that merely looks true', () => {
    assert.equal(reader({ on: true }).boolean('on', false), true);
    assert.equal(reader({ on: 'false' }).boolean('on', true), false);
    assert.equal(reader({}).boolean('on', true), true);
    for (const value of [1, 'yes', 'on']) {
      assert.throws(() => reader({ on: value }).boolean('on', false), wrong('on', /true or false/));
    }
  });

  it('takes one of the choices and names them otherwise', () => {
    const choices = ['folder', 'http'] as const;
    assert.equal(reader({ source: 'http' }).choice('source', choices, 'folder'), 'http');
    assert.equal(reader({}).choice('source', choices, 'folder'), 'folder');
    assert.throws(
      () => reader({ source: 'ftp' }).choice('source', choices, 'folder'),
      wrong('source', /folder, http/),
    );
  });
});

describe('bringing an old configuration up to date', () => {
  const migrations = [
    (config: RawConfig): RawConfig => ({ ...config, steps: ['1→2'] }),
    (config: RawConfig): RawConfig => ({
      ...config,
      steps: [...((config['steps'] as string[] | undefined) ?? []), '2→3'],
    }),
  ];

  it('runs the steps it lacks, in order', () => {
    assert.deepEqual(migrate(raw({ version: 1 }), migrations)['steps'], ['1→2', '2→3']);
    assert.deepEqual(migrate(raw({ version: '2' }), migrations)['steps'], ['2→3']);
    assert.equal(migrate(raw({ version: 3 }), migrations)['steps'], undefined);
  });

  it('takes a configuration without a version for the first one', () => {
    assert.deepEqual(migrate(raw({}), migrations)['steps'], ['1→2', '2→3']);
    assert.deepEqual(migrate(raw({ version: '' }), migrations)['steps'], ['1→2', '2→3']);
  });

  it('refuses one that a newer version of the package saved', () => {
    assert.throws(() => migrate(raw({ version: 4 }), migrations), wrong('version', /update the package/));
  });

  it('refuses what is no version', () => {
    for (const version of ['one', 0, -1, 1.5, {}]) {
      assert.throws(() => migrate(raw({ version }), migrations), wrong('version', /not a version/));
    }
  });

  it('leaves the saved configuration itself alone', () => {
    const saved = Object.freeze(raw({ version: 1 }));
    migrate(saved, migrations);
    assert.equal(saved['steps'], undefined);
  });
});
