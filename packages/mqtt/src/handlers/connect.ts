import type { IConnackPacket, IConnectPacket } from 'mqtt-packet'
import { ProtocolError } from '../errors.ts'
import type { ResolvedListener } from '../listener-options.ts'
import type { ResolvedMqttOptions } from '../options.ts'
import { encodeControlPacket } from '../protocol/control-packets.ts'
import { decodePublish, type ProtocolVersion, type Qos } from '../protocol/publish.ts'
import { Reason } from '../protocol/reason.ts'
import { isTopicName } from '../protocol/topic.ts'
import { neverExpires, type Will } from '../state/session.ts'

// CONNECT, MQTT 3.1, 3.1.1 and 5 (section 3.1). Left out: enhanced authentication (answered by
// 0x8C), response information (never sent, which section 3.1.2.11.6 allows).

/** What a client that may connect gets. */
export interface Admission {
  readonly version: ProtocolVersion
  readonly clientId: string
  readonly isClean: boolean
  readonly expirySeconds: number
  readonly keepAliveSeconds: number
  readonly sendQuota: number
  /** The largest packet that the client takes. */
  readonly packetBytesMax: number
  readonly will: Will | undefined
  readonly username: string | undefined
  /** Properties of CONNACK in MQTT 5. */
  readonly properties: NonNullable<IConnackPacket['properties']>
}

/**
 * Decides on a CONNECT.
 *
 * @throws ProtocolError with the reason for CONNACK.
 */
export function admit(
  packet: IConnectPacket,
  options: ResolvedMqttOptions,
  listener: ResolvedListener,
  newClientId: () => string,
): Admission {
  const version = packet.protocolVersion as ProtocolVersion
  const isClean = packet.clean ?? true
  const asked = packet.properties ?? {}
  if (asked.authenticationMethod !== undefined || asked.authenticationData !== undefined)
    throw new ProtocolError(Reason.badAuthenticationMethod, 'enhanced authentication')
  if (asked.receiveMaximum === 0 || asked.maximumPacketSize === 0)
    throw new ProtocolError(Reason.protocolError, 'a maximum of 0')
  const properties: NonNullable<IConnackPacket['properties']> = {}
  const clientId = packet.clientId || admitWithoutId(version, isClean, listener, newClientId)
  // The pipeline's own clients are named by their connectors.
  const prefix = listener.isInternal ? undefined : options.clientid_prefixes
  if (prefix !== undefined && !clientId.startsWith(prefix))
    throw new ProtocolError(Reason.notAuthorized, 'a client id without the prefix')
  if (packet.clientId === '') properties.assignedClientIdentifier = clientId
  const askedExpiry =
    version === 5 ? (asked.sessionExpiryInterval ?? 0) : isClean ? 0 : neverExpires
  const expirySeconds = Math.min(askedExpiry, options.sessionExpirySecondsMax)
  if (expirySeconds !== askedExpiry) properties.sessionExpiryInterval = expirySeconds
  const { max_keepalive: keepAliveMax, max_inflight_messages: inFlightMax } = options
  const askedKeepAlive = packet.keepalive ?? 0
  const isTooLong = keepAliveMax > 0 && (askedKeepAlive === 0 || askedKeepAlive > keepAliveMax)
  const keepAliveSeconds = isTooLong ? keepAliveMax : askedKeepAlive
  if (isTooLong) {
    // A client of MQTT 3 cannot be told another value.
    if (version !== 5)
      throw new ProtocolError(Reason.clientIdentifierNotValid, 'keep alive beyond max_keepalive')
    properties.serverKeepAlive = keepAliveMax
  }
  if (inFlightMax > 0) properties.receiveMaximum = inFlightMax
  properties.maximumPacketSize = options.max_packet_size
  if (listener.max_topic_alias > 0) properties.topicAliasMaximum = listener.max_topic_alias
  if (listener.max_qos < 2) properties.maximumQoS = listener.max_qos
  if (!options.retain_available) properties.retainAvailable = false
  return {
    version,
    clientId,
    isClean,
    expirySeconds,
    keepAliveSeconds,
    sendQuota: Math.min(asked.receiveMaximum ?? 65_535, inFlightMax || 65_535),
    packetBytesMax: asked.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    will: packet.will ? readWill(packet.will, version, listener.max_qos, options) : undefined,
    username: packet.username,
    properties,
  }
}

function admitWithoutId(
  version: ProtocolVersion,
  isClean: boolean,
  options: ResolvedListener,
  newClientId: () => string,
): string {
  // [MQTT-3.1.3-8] of 3.1.1; 3.1 has no clients without a name.
  const isAllowed =
    options.allow_zero_length_clientid && (version === 5 || (version === 4 && isClean))
  if (!isAllowed)
    throw new ProtocolError(Reason.clientIdentifierNotValid, 'a client identifier is needed')
  return newClientId()
}

function readWill(
  will: NonNullable<IConnectPacket['will']>,
  version: ProtocolVersion,
  qosMax: Qos,
  options: ResolvedMqttOptions,
): Will {
  const qos = (will.qos ?? 0) as Qos
  const retain = will.retain ?? false
  if (!isTopicName(will.topic) || will.topic.startsWith('$SYS/'))
    throw new ProtocolError(Reason.topicNameInvalid, 'the topic of the will')
  if (qos > qosMax) throw new ProtocolError(Reason.qosNotSupported, 'QoS of the will')
  if (retain && !options.retain_available)
    throw new ProtocolError(Reason.retainNotSupported, 'a retained will')
  const { willDelayInterval = 0, ...properties } = will.properties ?? {}
  // The properties of a will are kept as those of any message: in the form that PUBLISH has.
  const publish = encodeControlPacket(
    {
      cmd: 'publish',
      topic: will.topic,
      payload: will.payload,
      qos: 0,
      dup: false,
      retain,
      ...(version === 5 ? { properties } : {}),
    },
    version,
  )
  let bodyAt = 1
  while (publish[bodyAt]! >= 0x80) bodyAt++
  const decoded = decodePublish(publish[0]!, publish.subarray(bodyAt + 1), version)
  const { topic, payload, messageExpiry } = decoded
  return {
    topic,
    payload,
    properties: decoded.properties,
    qos,
    retain,
    messageExpiry,
    delaySeconds: willDelayInterval,
  }
}
