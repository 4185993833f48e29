export type DeviceState = 'waiting' | 'live' | 'silent' | 'rejected' | 'revoked'

/** How a device of the platform's registry is doing, since the pipeline was started. */
export interface DeviceNow {
  readonly name: string
  readonly id: string
  readonly place: string
  readonly kind?: string
  /** Frames a second that it is expected to send. */
  readonly rate?: number
  readonly state: DeviceState
  readonly isConnected: boolean
  readonly lastSeenMs?: number
  /** Why it was turned away. */
  readonly reason?: string
}

/** What is told of a device once: when it is made, and when it gets a new secret. */
export interface DeviceSecret {
  readonly name: string
  readonly id: string
  readonly place: string
  readonly secret: string
  /** Whole programs that send its frames. */
  readonly sketches: Readonly<Record<'esp32' | 'micropython' | 'python' | 'node', string>>
}
