import { type Serde, serdes } from '@khlong/streams'
import { id, number, object, text } from './json.ts'

/** What a sensor measures. */
export interface Measures {
  readonly temperature: number
  readonly humidity: number
  readonly pressure: number
  readonly luminosity: number
}

/** One frame of a sensor, as it comes over MQTT. Other fields are let through unread. */
export interface Frame {
  readonly id: string
  readonly name: string
  readonly place_id: string
  /** When the sensor measured, in milliseconds since the epoch; undefined where it has no clock. */
  readonly timestamp: number | undefined
  readonly payload: Measures
}

/** Frames in JSON. What is not a whole frame is a record that cannot be read: a dead letter. */
export const frames: Serde<Frame> = serdes.json(readFrame)

/** Checks a frame. Ids may come as numbers. */
function readFrame(json: unknown): Frame {
  const frame = object(json, 'the frame')
  const payload = object(frame.payload, 'payload')
  return {
    id: id(frame, 'id'),
    name: text(frame, 'name'),
    place_id: id(frame, 'place_id'),
    timestamp: frame.timestamp == null ? undefined : number(frame, 'timestamp'),
    payload: {
      temperature: number(payload, 'temperature'),
      humidity: number(payload, 'humidity'),
      pressure: number(payload, 'pressure'),
      luminosity: number(payload, 'luminosity'),
    },
  }
}
