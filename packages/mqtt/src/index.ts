export { Access, type AclRule, type AclRules, parseAclFile } from './access/acl-file.ts'
export { type PasswordTable, parsePasswordFile, withPassword } from './access/password-file.ts'
export { hashPassword, type StoredPassword } from './access/stored-password.ts'
export { MqttError } from './errors.ts'
export { mqttFormats } from './formats.ts'
export type { ListenerOptions, ResolvedListener } from './listener-options.ts'
export {
  type MqttOptions,
  type ResolvedMqttOptions,
  resolveMqttOptions,
} from './options.ts'
export type {
  BrokerDescription,
  SessionDescription,
  SubscriptionDescription,
} from './server/broker-description.ts'
export { MqttBroker } from './server/mqtt-broker.ts'
export type { RefusalDescription } from './server/refusal-log.ts'
export type { ClientDescription } from './state/session.ts'
