// Node-RED's own nodes ship without types.
declare module '@node-red/nodes/core/common/25-catch.js' {
  const register: (RED: import('node-red').NodeAPI) => void;
  export default register;
}
