import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseS7Tag } from '../../../lib/plc/s7-tag.ts';
import {
  checkSetup,
  connectRequest,
  readAnswer,
  readJob,
  S7Refusal,
  TelegramReader,
  writeAnswer,
  writeJob,
} from '../../../lib/plc/s7-telegram.ts';

const real = parseS7Tag('DB1,REAL4');
const bit = parseS7Tag('DB1,X0.3');
/** A recorded answer of Snap7 to a read of one real, without its TPKT and COTP headers. */
const ANSWER = Buffer.from('320300000007000200080000' + '0401' + 'ff040020' + '3fc00000', 'hex');

describe('an S7 telegram', () => {
  it('reads and writes as other clients of the protocol do', () => {
    assert.equal(connectRequest(0, 2).toString('hex'), '0300001611e00000000200c0010ac1020100c2020102');
    assert.equal(
      readJob(7, [real]).toString('hex'),
      '0300001f02f080' + '32010000' + '0007000e0000' + '0401' + '120a10020004000184000020',
    );
    assert.equal(
      writeJob(8, [
        { tag: bit, bytes: Buffer.from([1]) },
        { tag: real, bytes: Buffer.from('3fc00000', 'hex') },
      ]).toString('hex'),
      '0300003902f080' +
        '32010000' +
        '0008001a000e' +
        '0502' +
        '120a10010001000184000003' +
        '120a10020004000184000020' +
        '00030001' +
        '0100' +
        '00040020' +
        '3fc00000',
    );
  });

  it('gives the bytes of an answer, and why an item was refused', () => {
    assert.deepEqual(readAnswer(ANSWER, 7, [real]), [Buffer.from('3fc00000', 'hex')]);
    const absent = Buffer.from('320300000007000200040000' + '0401' + '0a000000', 'hex');
    const [refused] = readAnswer(absent, 7, [real]);
    assert.ok(refused instanceof S7Refusal);
    assert.deepEqual([refused.status, refused.certain], ['no such object', true]);
    const half = Buffer.from('320300000008000200020000' + '0502' + 'ff05', 'hex');
    assert.deepEqual(
      writeAnswer(half, 8, 2).map((answer) => answer?.status),
      [undefined, 'address out of range'],
    );
  });

  it('says that the CPU does not permit access from outside', () => {
    const forbidden = Buffer.from('320300000007000000008104', 'hex');
    assert.throws(() => readAnswer(forbidden, 7, [real]), /PUT\/GET/);
  });

  it('is put together however the bytes were cut on the way', () => {
    const telegram = Buffer.concat([Buffer.from('0300001d02f080', 'hex'), ANSWER]);
    telegram.writeUInt16BE(telegram.length, 2);
    const receipt = Buffer.from('0300000702f000', 'hex');
    const stream = Buffer.concat([receipt, telegram, telegram]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
        const reader = new TelegramReader();
        const ends = [...cuts.sort((a, b) => a - b), stream.length];
        let from = 0;
        const bodies = ends.flatMap((to) => {
          const bytes = stream.subarray(from, to);
          from = to;
          return reader.take(bytes);
        });
        assert.deepEqual(bodies, [ANSWER, ANSWER]);
      }),
    );
  });

  it('of noise ends in an error with a code, and never in any other way', () => {
    const readers: ((bytes: Buffer) => unknown)[] = [
      (bytes) => new TelegramReader().take(bytes),
      (bytes) => readAnswer(bytes, 7, [real, bit]),
      (bytes) => writeAnswer(bytes, 7, 2),
      (bytes) => {
        checkSetup(bytes, 7);
      },
    ];
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.nat(ANSWER.length - 1), fc.nat(255), fc.nat(ANSWER.length)).map(([at, value, length]) => {
        const soiled = Buffer.from(ANSWER);
        soiled[at] = value;
        return soiled.subarray(0, length);
      }),
    );
    fc.assert(
      fc.property(noise, fc.constantFrom(...readers), (bytes, read) => {
        try {
          read(bytes);
        } catch (error) {
          assert.ok(
            error instanceof S7Refusal || (error as { code?: unknown }).code === 'PLC_LINK_LOST',
            String(error),
          );
        }
      }),
      { numRuns: 2000 },
    );
  });
});
