/** A command to a device, and what became of it. Times are milliseconds since the epoch. */
export interface CommandNow {
  readonly id: string
  readonly device: string
  readonly action: string
  readonly params: Readonly<Record<string, unknown>>
  readonly timestamp: number
  readonly expires: number
  /** The rule or person that gave it. */
  readonly by: string
  readonly state: 'sent' | 'acknowledged' | 'expired'
  /** When the device answered, whether it did it, and why not. */
  readonly acknowledged?: number
  readonly ok?: boolean
  readonly error?: string
}
