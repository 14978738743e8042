/** The floor of the verified write: the protocol's own library, one write and one read, nothing checked. */
import modbusSerial from 'modbus-serial';
import { AttributeIds, DataType, OPCUAClient } from 'node-opcua-client';

export interface Bare {
  writeAndRead: (value: number) => Promise<void>;
  close: () => Promise<void>;
}

export async function bareOpcUa(endpointUrl: string, nodeId: string): Promise<Bare> {
  const client = OPCUAClient.create({ endpointMustExist: false });
  await client.connect(endpointUrl);
  const session = await client.createSession();
  const attributeId = AttributeIds.Value;
  return {
    writeAndRead: async (value) => {
      await session.write({ nodeId, attributeId, value: { value: { dataType: DataType.Double, value } } });
      const seen = await session.read({ nodeId, attributeId });
      if (seen.value.value !== value) throw new Error(`the bare client read ${String(seen.value.value)}`);
    },
    close: async () => {
      await session.close();
      await client.disconnect();
    },
  };
}

/** The two registers of a 32-bit float, high word first. */
export async function bareModbus(port: number, register: number): Promise<Bare> {
  const client = new modbusSerial.default();
  await client.connectTCP('127.0.0.1', { port });
  client.setID(1);
  const bytes = Buffer.alloc(4);
  return {
    writeAndRead: async (value) => {
      bytes.writeFloatBE(value);
      await client.writeRegisters(register, [bytes.readUInt16BE(0), bytes.readUInt16BE(2)]);
      const { buffer } = await client.readHoldingRegisters(register, 2);
      if (buffer.readFloatBE(0) !== value) throw new Error(`the bare client read ${buffer.readFloatBE(0)}`);
    },
    close: () => new Promise((resolve) => client.close(() => resolve())),
  };
}
