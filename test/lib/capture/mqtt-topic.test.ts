import assert from 'node:assert/strict';
import { topicFilter } from '../../../lib/capture/mqtt-topic.ts';

describe('topic of an MQTT camera', () => {
  it('listens at every part where the id of the part is a level, and reads it from there', () => {
    const topic = topicFilter(' plant/{partId}/top ');
    assert.equal(topic.filter, 'plant/+/top');
    assert.equal(topic.partIdOf('plant/SN-1/top'), 'SN-1');
  });

  it('keeps the wildcards a person wrote, and knows no part without a level for it', () => {
    assert.equal(topicFilter('plant/+/{partId}/#').filter, 'plant/+/+/#');
    assert.equal(topicFilter('plant/+/{partId}/#').partIdOf('plant/line/SN-1/top/left'), 'SN-1');
    assert.equal(topicFilter('plant/+/#').partIdOf('plant/line/SN-1'), undefined);
  });

  for (const [text, message] of [
    ['', /1 to 65535 bytes/],
    ['a'.repeat(65_536), /1 to 65535 bytes/],
    ['a\0b', /1 to 65535 bytes/],
    ['a/#/b', /last level/],
    ['a/b#', /last level/],
    ['a+/b', /stand alone/],
    ['a/part-{partId}', /stand alone/],
    ['{partId}/{partId}', /stand alone/],
    ['$share/line/{partId}', /shared subscription/],
  ] as const) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(() => topicFilter(text), { code: 'CAMERA_REFUSED', message });
    });
  }
});
