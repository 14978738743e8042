/** What a test finds at an OPC UA server when it looks around: enumerations, arrays, a command block, names of anybody. */
import {
  DataType,
  makeEUInformation,
  Variant,
  VariantArrayType,
  type Namespace,
  type UAObject,
} from 'node-opcua';

/** Each runs, or breaks the page, where it is read as markup. */
export const HOSTILE_NAMES = [
  '<script>window.jidokaWasHere = true</script>',
  '<img src=x onerror="window.jidokaWasHere = true">',
  '"><svg onload="window.jidokaWasHere = true">',
  "'-window.jidokaWasHere=true-'",
  '<a href="javascript:window.jidokaWasHere = true">Torque</a>',
  '</span><iframe srcdoc="<script>parent.jidokaWasHere = true</script>">',
  '{{constructor.constructor("window.jidokaWasHere = true")()}}',
  '<details open ontoggle="window.jidokaWasHere = true">',
  '&lt;img src=x onerror=window.jidokaWasHere=true&gt;',
  '<style>*{animation:x}</style><b onanimationstart="window.jidokaWasHere = true">',
];
export const LONG_NAME = `Press_line_4_${'station_12_turning_unit_'.repeat(6)}torque`;
export const VENDOR = 'urn:vendor:line';

/** @param others namespaces that come before the vendor's, as after an update of the server */
export function furnish(space: Namespace, device: UAObject, others: readonly string[] = []): void {
  const { addressSpace } = space;
  for (const other of others) addressSpace.registerNamespace(other);
  const vendor = addressSpace.registerNamespace(VENDOR) as Namespace;
  const mode = space.addEnumerationType({
    browseName: 'MachineMode',
    enumeration: [
      { displayName: 'Stopped', value: 0 },
      { displayName: 'Automatic', value: 2 },
      { displayName: 'Setup', value: 5 },
    ],
  });
  space.addVariable({
    ...{ componentOf: device, nodeId: 's=Mode', browseName: 'Mode', dataType: mode },
    value: { dataType: DataType.Int32, value: 2 },
  });
  space.addVariable({
    ...{ componentOf: device, nodeId: 's=Curve', browseName: 'Curve', dataType: 'Double', valueRank: 1 },
    value: { dataType: DataType.Double, arrayType: VariantArrayType.Array, value: [1, 2, 3] },
  });
  space.addVariable({
    ...{ componentOf: device, nodeId: 's=Started', browseName: 'Started', dataType: 'DateTime' },
    value: { dataType: DataType.DateTime, value: new Date(0) },
  });
  const names = space.addObject({
    ...{ componentOf: device, nodeId: 's=Names', browseName: 'Names', typeDefinition: 'FolderType' },
  });
  for (const [index, browseName] of [...HOSTILE_NAMES, LONG_NAME].entries()) {
    space.addVariable({
      ...{ componentOf: names, nodeId: `s=Name${index}`, browseName, dataType: 'Int16' },
      value: { dataType: DataType.Int16, value: index },
    });
  }
  // Refers back to where it lies, as some servers do.
  names.addReference({ referenceType: 'Organizes', nodeId: device });
  const block = vendor.addObject({ componentOf: device, nodeId: 's=Torque', browseName: 'TorqueBlock' });
  const inputs = vendor.addObject({ componentOf: block, nodeId: 's=Torque.Inputs', browseName: 'Inputs' });
  const number = (parent: UAObject, browseName: string, dataType: DataType): void => {
    const options = { componentOf: parent, browseName, nodeId: `s=Torque.${browseName}`, dataType };
    const access = {
      accessLevel: 'CurrentRead | CurrentWrite',
      userAccessLevel: 'CurrentRead | CurrentWrite',
    };
    const value = { get: () => new Variant({ dataType, value: 7 }) };
    if (browseName !== 'Value') vendor.addVariable({ ...options, ...access, value });
    else {
      vendor.addAnalogDataItem({
        ...{ ...options, ...access, value, engineeringUnitsRange: { low: 0, high: 60 } },
        engineeringUnits: makeEUInformation('NU', 'N·m', 'newton metre'),
      });
    }
  };
  number(inputs, 'Value', DataType.Float);
  for (const name of ['TtlMs', 'DecisionRef', 'CmdId']) number(inputs, name, DataType.UInt32);
  number(block, 'AckId', DataType.UInt32);
  number(block, 'AckResult', DataType.UInt16);
  number(block, 'AppliedValue', DataType.Float);
}
