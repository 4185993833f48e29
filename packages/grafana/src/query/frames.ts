/** Grafana's data frame as `/api/ds/query` answers it: a schema and its columns. */
export interface Frame {
  schema: {
    refId: string
    name?: string
    meta?: Record<string, unknown>
    fields: FrameField[]
  }
  data: { values: unknown[][] }
}

export interface FrameField {
  name: string
  type: 'time' | 'number' | 'string' | 'boolean' | 'other'
  typeInfo: { frame: string; nullable?: boolean }
  labels?: Record<string, string>
  config?: { displayNameFromDS?: string; interval?: number; custom?: Record<string, unknown> }
}

export interface QueryResult {
  status: number
  frames: Frame[]
  error?: string
  errorSource?: 'downstream'
}

export const timeField = (name: string): FrameField => ({
  name,
  type: 'time',
  typeInfo: { frame: 'time.Time' },
})

export const numberField = (name: string): FrameField => ({
  name,
  type: 'number',
  typeInfo: { frame: 'float64', nullable: true },
})

export const stringField = (name: string): FrameField => ({
  name,
  type: 'string',
  typeInfo: { frame: 'string', nullable: true },
})
