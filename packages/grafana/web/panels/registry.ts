import type { ComponentType } from 'react'
import type { Panel, PanelKind } from '../../src/model/dashboard.ts'
import { BarGaugePanel } from './bar-gauge.tsx'
import { GaugePanel } from './gauge.tsx'
import type { PanelData } from './panel-data.ts'
import { StatPanel } from './stat.tsx'
import { TablePanel } from './table.tsx'
import { TimeSeriesPanel } from './time-series.tsx'

/** What a panel's drawing is given: its configuration, its data, and its box in pixels. */
export interface PanelProps {
  readonly panel: Panel
  readonly data: PanelData & { readonly frames: NonNullable<PanelData['frames']> }
  readonly width: number
  readonly height: number
}

/** Panel types by name: a new one is one file and one line here. */
export const panelKinds: Readonly<Partial<Record<PanelKind, ComponentType<PanelProps>>>> = {
  timeseries: TimeSeriesPanel,
  stat: StatPanel,
  gauge: GaugePanel,
  bargauge: BarGaugePanel,
  table: TablePanel,
}
