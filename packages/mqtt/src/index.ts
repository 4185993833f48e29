export { MqttError } from './errors.ts'
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
export type { ClientDescription } from './state/session.ts'
