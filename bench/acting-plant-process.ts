/** The servers of the acting bench in a process of their own, so that their work is not taken for ours. */
import { Mes } from '../plant/mes.ts';
import { startModbus } from '../plant/modbus.ts';
import { startOpcua } from '../plant/opcua.ts';
import { PlcMemory } from '../plant/plc-memory.ts';
import { serve } from './runner.ts';

/** What the process understands. */
export interface PlantOrders {
  start: () => Promise<{ opcuaUrl: string; modbusPort: number; mesUrl: string }>;
  /** Tickets the MES has, and of how many keys. */
  tickets: () => Promise<{ tickets: number; keys: number }>;
}

const mes = new Mes();

serve<PlantOrders>({
  start: async () => {
    // A PLC for each protocol: the one whose block has been commanded drives its torque itself.
    const opcua = await startOpcua({ plc: new PlcMemory() });
    const modbus = await startModbus({ plc: new PlcMemory() });
    await mes.open();
    return { opcuaUrl: opcua.endpointUrl, modbusPort: modbus.port, mesUrl: mes.url };
  },
  tickets: () => {
    const keys = new Set(mes.tickets.map(({ externalId }) => externalId));
    return Promise.resolve({ tickets: mes.tickets.length, keys: keys.size });
  },
});
