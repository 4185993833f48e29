export { type DerElement, DerTag, derChildren, derContent, readDer, readOid } from './der.ts'
export { type JaasEntry, parseJaas } from './jaas.ts'
export {
  formatScramCredential,
  isScramMechanism,
  parseScramCredential,
  ScramClient,
  type ScramCredential,
  type ScramMechanism,
  ScramServer,
  saltPassword,
  scramCredential,
  scramIterationsMax,
  scramIterationsMin,
  scramMechanisms,
} from './scram.ts'
export { type SslStoreSettings, secureContextOf } from './ssl-stores.ts'
