/** What a phone can feel; each is asked for by itself. */
export const senses = ['motion', 'light', 'battery', 'location'] as const
export type Sense = (typeof senses)[number]

/** Fields for the frame's payload, by name. */
export type SenseValues = Readonly<Record<string, number>>

/** Why a sense cannot be had: the browser wants HTTPS, has no such thing, or the person said no. */
export type SenseFault = 'https' | 'missing' | 'refused'

interface AmbientLight extends EventTarget {
  readonly illuminance: number
  start(): void
  stop(): void
}
interface Battery extends EventTarget {
  readonly level: number
  readonly charging: boolean
}
interface Motion {
  new (): unknown
  requestPermission?(): Promise<string>
}
const browser = globalThis as unknown as {
  AmbientLightSensor?: new () => AmbientLight
  DeviceMotionEvent?: Motion
}
const navigatorWithBattery = navigator as Navigator & { getBattery?(): Promise<Battery> }

/**
 * Begins to feel. Values come to `onValues` until the function that is given back is called;
 * `onFault` may come later, too, when a permission is taken back.
 */
export async function feel(
  sense: Sense,
  onValues: (values: SenseValues) => void,
  onFault: (fault: SenseFault) => void,
): Promise<() => void> {
  const nothing = (): void => {}
  const fail = (fault: SenseFault): (() => void) => {
    onFault(fault)
    return nothing
  }
  // Browsers hide all four from pages without HTTPS; only this computer's own address is excepted.
  if (!isSecureContext) return fail('https')
  switch (sense) {
    case 'motion': {
      const motion = browser.DeviceMotionEvent
      if (!motion) return fail('missing')
      // Only Safari asks; it must be asked while a finger is on the switch.
      if (motion.requestPermission) {
        const answer = await motion.requestPermission().catch(() => 'denied')
        if (answer !== 'granted') return fail('refused')
      }
      const onMotion = ({ accelerationIncludingGravity: felt }: DeviceMotionEvent): void => {
        if (felt?.x == null || felt.y == null || felt.z == null) return
        onValues({ motion: round(Math.hypot(felt.x, felt.y, felt.z), 2) })
      }
      addEventListener('devicemotion', onMotion)
      return () => removeEventListener('devicemotion', onMotion)
    }
    case 'light': {
      if (!browser.AmbientLightSensor) return fail('missing')
      const sensor = new browser.AmbientLightSensor()
      sensor.addEventListener('reading', () => onValues({ luminosity: sensor.illuminance }))
      sensor.addEventListener('error', () => onFault('refused'))
      sensor.start()
      return () => sensor.stop()
    }
    case 'battery': {
      const battery = await navigatorWithBattery.getBattery?.().catch(() => undefined)
      if (!battery) return fail('missing')
      const tell = (): void => onValues({ battery: Math.round(battery.level * 100) })
      tell()
      battery.addEventListener('levelchange', tell)
      return () => battery.removeEventListener('levelchange', tell)
    }
    case 'location': {
      if (!navigator.geolocation) return fail('missing')
      const watch = navigator.geolocation.watchPosition(
        ({ coords }) =>
          onValues({
            latitude: round(coords.latitude, 5),
            longitude: round(coords.longitude, 5),
            accuracy: Math.round(coords.accuracy),
          }),
        ({ code }) => onFault(code === 1 ? 'refused' : 'missing'),
        { enableHighAccuracy: true, maximumAge: 10_000 },
      )
      return () => navigator.geolocation.clearWatch(watch)
    }
  }
}

function round(value: number, decimals: number): number {
  return Number(value.toFixed(decimals))
}
