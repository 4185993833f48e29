import { CodedError } from '@khlong/core'

/** Everything that the broker throws. `code` says what; the codes are listed in the README. */
export class MqttError extends CodedError {}

/** A peer broke the protocol, or a limit; `reason` is the MQTT 5 reason code to close with. */
export class ProtocolError extends CodedError {
  readonly reason: number
  constructor(reason: number, message: string) {
    super('MQTT_PROTOCOL', message, { fields: { reason } })
    this.reason = reason
  }
}
