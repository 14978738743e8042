import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fromS7Bytes, parseS7Tag, toS7Bytes } from '../../../lib/plc/s7-tag.ts';

describe('an S7 tag', () => {
  it('is written as engineers write it, in English and German', () => {
    const same = [
      ['DB1,REAL4', 'db1, real4', 'DB1.DBR4'],
      ['DB20,X0.1', 'DB20.DBX0.1', 'DB20.X0.1'],
      ['DB1,WORD2', 'DB1.DBW2'],
      ['M0.1', 'MX0.1', 'm0.1'],
      ['MW12', 'M,WORD12'],
      ['I0.7', 'E0.7'],
      ['QB4', 'AB4'],
    ];
    for (const [first = '', ...others] of same)
      for (const other of others) assert.deepEqual(parseS7Tag(other), parseS7Tag(first), other);
    assert.deepEqual(parseS7Tag('DB20,X3.1'), {
      area: 0x84,
      block: 20,
      offset: 3,
      bit: 1,
      dataType: 'Boolean',
      bytes: 1,
      writable: true,
    });
  });

  it('has the type its name says', () => {
    const types = {
      'DB1,BYTE0': 'Byte',
      'DB1,SINT0': 'SByte',
      'DB1,INT2': 'Int16',
      'DB1,UINT2': 'UInt16',
      'DB1,DINT2': 'Int32',
      'DB1,DWORD2': 'UInt32',
      'DB1,LREAL8': 'Double',
      MR4: 'Float',
      'I1.0': 'Boolean',
    };
    for (const [tag, type] of Object.entries(types)) assert.equal(parseS7Tag(tag).dataType, type, tag);
    assert.equal(parseS7Tag('I1.0').writable, false);
  });

  it('that is none is refused', () => {
    for (const tag of [
      '',
      'DB1',
      'DB0,INT2',
      'DB65536,INT2',
      'MW65536',
      'DB1,X0',
      'DB1,X0.8',
      'DB1,INT2.1',
      'DB1,STRING4',
      'DB1,REAL',
      'holding:4',
      'T5',
      'M,4',
      'DB1,constructor4',
    ])
      assert.throws(() => parseS7Tag(tag), { code: 'PLC_TAG_INVALID' }, tag);
  });

  it('gives back every value that fits its type', () => {
    const values: [string, fc.Arbitrary<number>][] = [
      ['DB1,BYTE0', fc.integer({ min: 0, max: 255 })],
      ['DB1,SINT0', fc.integer({ min: -128, max: 127 })],
      ['DB1,INT2', fc.integer({ min: -32_768, max: 32_767 })],
      ['DB1,DINT2', fc.integer({ min: -2_147_483_648, max: 2_147_483_647 })],
      ['DB1,DWORD2', fc.integer({ min: 0, max: 4_294_967_295 })],
      ['DB1,REAL2', fc.float({ noNaN: true })],
      ['DB1,LREAL2', fc.double({ noNaN: true })],
    ];
    for (const [name, arbitrary] of values) {
      const tag = parseS7Tag(name);
      fc.assert(
        fc.property(arbitrary, (value) => {
          assert.equal(fromS7Bytes(toS7Bytes(value, tag), tag), value);
        }),
      );
    }
  });
});
