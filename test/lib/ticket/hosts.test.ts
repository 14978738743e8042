import assert from 'node:assert/strict';
import { Exchanger, mesUrl } from '../../../lib/ticket/exchange.ts';
import { AllowedHosts } from '../../../lib/ticket/hosts.ts';

const REFUSED = { code: 'MES_HOST_FORBIDDEN' };

describe('the hosts tickets may go to', () => {
  it('are all but this machine, link-local and metadata ones where the owner has listed none', () => {
    const hosts = new AllowedHosts();
    for (const host of ['mes.plant.local', '10.0.0.7', '8.8.8.8']) hosts.assertHost(host);
    for (const host of [
      '169.254.169.254',
      '[fe80::1]',
      '100.100.100.200',
      '127.0.0.1',
      '[::1]',
      'localhost',
    ]) {
      assert.throws(() => hosts.assertHost(host), REFUSED, host);
    }
  });

  it('are those listed, by name, address and ending, and never a link-local one', () => {
    const hosts = new AllowedHosts(['MES.plant.local', '*.erp.local', '10.0.0.7', '169.254.169.254']);
    for (const host of ['mes.plant.local', 'a.erp.local', 'b.a.ERP.local', '10.0.0.7', 'mes.plant.local.']) {
      hosts.assertHost(host);
    }
    for (const host of [
      'erp.local',
      'xerp.local',
      'mes.plant.local.evil.example',
      '10.0.0.8',
      'localhost',
      '127.0.0.1',
      '[::1]',
      '169.254.169.254',
    ]) {
      assert.throws(() => hosts.assertHost(host), REFUSED, host);
    }
    assert.throws(() => mesUrl('http://10.0.0.8', '', hosts), REFUSED);
  });

  it('are not reached by a listed name that leads to this machine or to a metadata service', async () => {
    for (const address of ['127.0.0.1', '169.254.169.254']) {
      const exchanger = new Exchanger({
        timeoutMs: 1000,
        hosts: new AllowedHosts(['mes.plant.local']),
        resolve: (_name, _options, callback) => {
          callback(null, [{ address, family: 4 }]);
        },
      });
      const url = new URL('http://mes.plant.local:9');
      const asked = exchanger.send({ method: 'GET', url, headers: {} }, new AbortController().signal);
      await assert.rejects(asked, REFUSED, address);
      exchanger.close();
    }
  });

  it('are any, this machine too, where the owner says so', () => {
    const hosts = new AllowedHosts(['localhost', '*']);
    for (const host of ['mes.plant.local', '10.0.0.7', '127.0.0.1', 'localhost']) hosts.assertHost(host);
    const others = new AllowedHosts(['*']);
    others.assertHost('mes.plant.local');
    assert.throws(() => others.assertHost('127.0.0.1'), REFUSED);
    assert.throws(() => hosts.assertHost('169.254.169.254'), REFUSED);
  });

  it('include this machine where it is listed', () => {
    const hosts = new AllowedHosts(['localhost']);
    hosts.assertHost('localhost');
    hosts.assertAddress('127.0.0.1');
  });
});
