import { type Serde, serdes, type Window } from '@khlong/streams'
import type { Frame, Measures } from './frame.ts'

/** A sensor's measures on their way to an aggregate. */
export interface Reading extends Measures {
  readonly sensor_name: string
}

/** Sums of the measures of one window. */
export interface Sums extends Measures {
  readonly sensor_name: string
  readonly count: number
}

/** What is known of one window when it closes. Times are the window's bounds. */
export interface WindowMetrics {
  readonly start_agg: number
  readonly start_agg_tm: string
  readonly end_agg: number
  readonly end_agg_tm: string
  readonly count_measures: number
  readonly sum_temperature: number
  readonly sum_humidity: number
  readonly sum_pressure: number
  readonly sum_luminosity: number
  readonly avg_temperature: number
  readonly avg_humidity: number
  readonly avg_pressure: number
  readonly avg_luminosity: number
}

export interface SensorMetrics extends WindowMetrics {
  readonly sensor_id: string
  readonly sensor_name: string
}

export interface PlaceMetrics extends WindowMetrics {
  readonly place_id: string
}

/** One frame as a time series sample, as Prometheus sinks take it. */
export interface SensorSample {
  readonly name: 'sample_sensor_metric'
  readonly type: 'sensor'
  readonly timestamp: number
  readonly dimensions: {
    readonly sensor_id: string
    readonly sensor_name: string
    readonly place_id: string
  }
  readonly values: Measures
}

export const readings: Serde<Reading> = serdes.json<Reading>()
export const sums: Serde<Sums> = serdes.json<Sums>()

export const readingOf = ({ name, payload }: Frame): Reading => ({
  sensor_name: name,
  temperature: payload.temperature,
  humidity: payload.humidity,
  pressure: payload.pressure,
  luminosity: payload.luminosity,
})

export const noSums = (): Sums => ({
  sensor_name: '',
  count: 0,
  temperature: 0,
  humidity: 0,
  pressure: 0,
  luminosity: 0,
})

/** The sums with one more reading; a sensor's newest name counts. */
export const addReading = (reading: Reading, sums: Sums): Sums => ({
  sensor_name: reading.sensor_name,
  count: sums.count + 1,
  temperature: sums.temperature + reading.temperature,
  humidity: sums.humidity + reading.humidity,
  pressure: sums.pressure + reading.pressure,
  luminosity: sums.luminosity + reading.luminosity,
})

export function windowMetrics({ startMs, endMs }: Window, sums: Sums): WindowMetrics {
  return {
    start_agg: startMs,
    start_agg_tm: new Date(startMs).toISOString(),
    end_agg: endMs,
    end_agg_tm: new Date(endMs).toISOString(),
    count_measures: sums.count,
    sum_temperature: sums.temperature,
    sum_humidity: sums.humidity,
    sum_pressure: sums.pressure,
    sum_luminosity: sums.luminosity,
    avg_temperature: sums.temperature / sums.count,
    avg_humidity: sums.humidity / sums.count,
    avg_pressure: sums.pressure / sums.count,
    avg_luminosity: sums.luminosity / sums.count,
  }
}

/** A frame as a sample, at the time of its record where the sensor has no clock. */
export const sampleOf = (frame: Frame, recordMs: number): SensorSample => ({
  name: 'sample_sensor_metric',
  type: 'sensor',
  timestamp: frame.timestamp ?? recordMs,
  dimensions: { sensor_id: frame.id, sensor_name: frame.name, place_id: frame.place_id },
  values: frame.payload,
})
