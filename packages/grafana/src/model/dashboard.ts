/** A dashboard as the console draws it, whatever schema version its JSON has. */
export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly tags: readonly string[]
  readonly schemaVersion: number
  readonly time: { readonly from: string; readonly to: string }
  /** Milliseconds, or 0 for none. */
  readonly refreshMs: number
  readonly variables: readonly Variable[]
  readonly panels: readonly Panel[]
  /** Texts of this dashboard in other languages, by language, then by the text in the JSON. */
  readonly translations: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** What a panel is drawn as. `unsupported` keeps its place and says what it is. */
export type PanelKind =
  | 'timeseries'
  | 'stat'
  | 'gauge'
  | 'bargauge'
  | 'table'
  | 'text'
  | 'row'
  | 'unsupported'

export interface Panel {
  readonly id: number
  readonly kind: PanelKind
  /** The type that the JSON names. */
  readonly sourceType: string
  readonly title: string
  readonly description: string
  readonly grid: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource: unknown
  readonly targets: readonly Target[]
  readonly defaults: FieldConfig
  readonly overrides: readonly Override[]
  readonly options: PanelOptions
  readonly transformations: readonly Transformation[]
  readonly maxDataPoints: number | undefined
  readonly intervalMs: number
  /** A range of its own: `10s`, `6h`. */
  readonly timeFrom: string | undefined
  readonly timeShift: string | undefined
  readonly repeat: string | undefined
  readonly collapsed: boolean
  /** The panels of a collapsed row. */
  readonly panels: readonly Panel[]
  /** What is drawn otherwise than in Grafana, as keys of the catalogues. */
  readonly notes: readonly PanelNote[]
}

export type PanelNote =
  | 'drawnAsBars'
  | 'repeatNotSupported'
  | 'transformationNotSupported'
  | 'htmlShownAsText'

export interface Target {
  readonly refId: string
  readonly datasource: unknown
  readonly hide: boolean
  readonly expr: string
  readonly query: string
  readonly database: string | undefined
  readonly legendFormat: string
  readonly instant: boolean
  readonly range: boolean
  readonly format: string
  readonly intervalMs: number
  readonly intervalFactor: number
}

export interface ThresholdStep {
  /** From this value on; -Infinity for the first. */
  readonly value: number
  readonly color: string
}

export interface Thresholds {
  readonly mode: 'absolute' | 'percentage'
  readonly steps: readonly ThresholdStep[]
}

export interface Mapping {
  readonly kind: 'value' | 'range' | 'regex' | 'special'
  readonly match: string
  readonly from: number
  readonly to: number
  readonly text: string | undefined
  readonly color: string | undefined
}

export interface FieldConfig {
  readonly unit: string
  readonly decimals: number | undefined
  readonly min: number | undefined
  readonly max: number | undefined
  readonly displayName: string
  readonly noValue: string
  readonly thresholds: Thresholds
  readonly mappings: readonly Mapping[]
  readonly colorMode: string
  readonly fixedColor: string | undefined
  readonly custom: CustomConfig
}

/** The part of a field's configuration that belongs to time series and tables. */
export interface CustomConfig {
  readonly drawStyle: 'line' | 'bars' | 'points'
  readonly lineWidth: number
  readonly fillOpacity: number
  readonly step: 'none' | 'before' | 'after'
  readonly showPoints: 'auto' | 'always' | 'never'
  readonly pointSize: number
  readonly spanNulls: boolean
  readonly stacked: boolean
  readonly axisLabel: string
  readonly axisRight: boolean
  readonly axisHidden: boolean
  readonly dashed: boolean
  readonly hidden: boolean
  readonly width: number | undefined
  readonly align: string
  readonly cellType: string
  readonly thresholdLines: boolean
}

export interface Override {
  readonly matcher: { readonly id: string; readonly options: unknown }
  readonly properties: readonly { readonly id: string; readonly value: unknown }[]
}

export interface PanelOptions {
  readonly calcs: readonly string[]
  /** Show each row's value instead of one calculation. */
  readonly allValues: boolean
  readonly textMode: string
  readonly graphMode: 'none' | 'area'
  readonly colorMode: string
  readonly orientation: 'auto' | 'horizontal' | 'vertical'
  readonly displayMode: 'basic' | 'gradient' | 'lcd'
  readonly thresholdMarkers: boolean
  readonly thresholdLabels: boolean
  readonly legend: {
    readonly show: boolean
    readonly mode: 'list' | 'table'
    readonly placement: 'bottom' | 'right'
    readonly calcs: readonly string[]
  }
  readonly tooltip: 'single' | 'multi' | 'none'
  readonly textKind: 'markdown' | 'html' | 'code'
  readonly content: string
  readonly sortBy: readonly { readonly field: string; readonly descending: boolean }[]
  readonly showHeader: boolean
  /** Texts around the figure, as `singlestat` had them. */
  readonly prefix: string
  readonly postfix: string
}

export interface Transformation {
  readonly id: string
  readonly options: Readonly<Record<string, unknown>>
}

export interface Variable {
  readonly name: string
  readonly label: string
  readonly kind: 'query' | 'custom' | 'constant' | 'textbox' | 'interval' | 'datasource' | 'adhoc'
  readonly query: string
  readonly regex: string
  readonly datasource: unknown
  readonly multiple: boolean
  readonly includeAll: boolean
  readonly allValue: string
  readonly hidden: boolean
  readonly current: readonly string[]
  readonly options: readonly VariableOption[]
}

export interface VariableOption {
  readonly text: string
  readonly value: string
}

/** What a variable holds when all of its options are meant. */
export const allVariableValue = '$__all'
