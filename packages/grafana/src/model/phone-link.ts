/** Which device a phone is, and where it sends; carried behind the hash of the address that it opens. */
export interface PhoneLink {
  readonly id: string
  readonly name: string
  readonly place: string
  readonly topic: string
  /** The port of MQTT over WebSocket on the host that serves the page. */
  readonly port: number
  readonly user?: string
  readonly password?: string
}

/** The part of an address behind `#`: browsers send it to nobody, so it stands in no log. */
export function phoneHash(link: PhoneLink): string {
  const bytes = new TextEncoder().encode(encodePhoneLink(link))
  const text = btoa(String.fromCharCode(...bytes))
  return `#phone=${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`
}

/** Reads what {@link phoneHash} wrote; undefined where it is anything else. */
export function readPhoneHash(hash: string): PhoneLink | undefined {
  const text = new URLSearchParams(hash.replace(/^#/, '')).get('phone')
  return text === null || text.length > 2_000 ? undefined : decodePhoneLink(decodeText(text))
}

/** The link as a short text: values by their place, since each letter makes the code for the camera denser. */
export function encodePhoneLink(link: PhoneLink): string {
  const { id, name, place, topic, port, user, password } = link
  return JSON.stringify([id, name, place, topic, port, ...(user ? [user, password ?? ''] : [])])
}

/** Reads what {@link encodePhoneLink} wrote; undefined where it is anything else. */
export function decodePhoneLink(text: string): PhoneLink | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(value)) return undefined
  const [id, name, place, topic, port, user, password] = value as unknown[]
  if (!isText(id) || !isText(name) || !isText(place) || !isText(topic)) return undefined
  if (/[+#\0]/.test(topic) || typeof port !== 'number' || !(port > 0 && port < 65_536))
    return undefined
  return {
    id,
    name,
    place,
    topic,
    port,
    ...(isText(user) ? { user } : {}),
    ...(isText(password) ? { password } : {}),
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 200
}

function decodeText(text: string): string {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    return new TextDecoder().decode(Uint8Array.from(binary, (letter) => letter.charCodeAt(0)))
  } catch {
    return ''
  }
}
