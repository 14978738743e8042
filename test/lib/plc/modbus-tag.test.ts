import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fromRegisters, parseModbusTag, toRegisters } from '../../../lib/plc/modbus-tag.ts';

describe('a Modbus tag', () => {
  it('names an area, an address from 0 and a format', () => {
    assert.deepEqual(parseModbusTag('coil:12'), {
      area: 'coil',
      address: 12,
      dataType: 'Boolean',
      registers: 0,
      writable: true,
    });
    assert.equal(parseModbusTag('holding:40').dataType, 'UInt16');
    assert.equal(parseModbusTag('Holding:40:Float32').dataType, 'Float');
    assert.equal(parseModbusTag('input:7').writable, false);
  });

  for (const tag of [
    '',
    'coil',
    'coil:-1',
    'coil:65536',
    'coil:1:float32',
    'holding:1.5',
    'holding:1:float',
    'x:1',
    'coil:1:',
  ]) {
    it(`refuses "${tag}"`, () => assert.throws(() => parseModbusTag(tag), { code: 'PLC_TAG_INVALID' }));
  }

  it('holds in registers what was put there, in either word order', () => {
    const cases = [
      ['int16', fc.integer({ min: -32768, max: 32767 })],
      ['uint16', fc.integer({ min: 0, max: 65535 })],
      ['int32', fc.integer()],
      ['uint32', fc.integer({ min: 0, max: 2 ** 32 - 1 })],
      ['float32', fc.float({ noNaN: true })],
    ] as const;
    for (const [format, values] of cases) {
      const tag = parseModbusTag(`holding:0:${format}`);
      fc.assert(
        fc.property(values, fc.constantFrom('big' as const, 'little' as const), (value, order) => {
          const words = toRegisters(value, tag, order);
          assert.equal(words.length, tag.registers);
          assert.ok(words.every((word) => Number.isInteger(word) && word >= 0 && word <= 65535));
          assert.equal(fromRegisters(words, tag, order), value);
        }),
      );
    }
  });

  it('puts the high word first, unless told otherwise', () => {
    const tag = parseModbusTag('holding:0:uint32');
    assert.deepEqual(toRegisters(0x0001_0002, tag, 'big'), [1, 2]);
    assert.deepEqual(toRegisters(0x0001_0002, tag, 'little'), [2, 1]);
  });
});
