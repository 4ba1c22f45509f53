import { describe, expect, it } from 'vitest';
import type { CityEvent, DeviceKind } from '../../src/api/schema.ts';
import { kindFirst } from '../../src/state/groups.ts';
import { eventTitle, eventWords } from '../../src/state/events.ts';

const kind = { code: 4, name: 'water_level', zh: '液位计', en: 'Water level', properties: [{ slot: 0, name: 'level', zh: '水位', en: 'Level', unit: 'cm', decimals: 1, limits: [] }] } as unknown as DeviceKind;
const event = (over: Partial<CityEvent>): CityEvent => ({ journal: 1, at: '2026-11-21T00:00:00Z', kind: 'alarm.raised', zh: '告警产生', en: 'Alarm raised', state: 'alarm', area_code: null, device: null, data: { property: 'level', value: 21.46 }, ...over });

describe('eventWords', () => {
  it('says what happened, of what, at which reading', () => {
    expect(eventWords('zh', event({}), kind)).toBe('告警产生·水位 21.5 cm');
    expect(eventWords('en', event({}), kind)).toBe('Alarm raised·Level 21.5 cm');
  });

  it('says a word once that is both the property and its value', () => {
    const lamp = { ...kind, properties: [{ ...kind.properties[0], name: 'fault', zh: '故障', en: 'Fault', unit: '', words: [['正常', 'Normal'], ['故障', 'Fault']] }] } as unknown as DeviceKind;
    expect(eventWords('zh', event({ data: { property: 'fault', value: 1 } }), lamp)).toBe('告警产生·故障');
    expect(eventWords('zh', event({ data: { property: 'fault', value: 0 } }), lamp)).toBe('告警产生·故障 正常');
  });

  it('says who acknowledged, and leaves out what is not known', () => {
    expect(eventWords('zh', event({ kind: 'alarm.acknowledged', zh: '告警已确认', data: { property: 'level', value: null, by: '王' } }), kind)).toBe('告警已确认·水位·王');
    expect(eventWords('zh', event({ zh: '导入', data: {} }), undefined)).toBe('导入');
  });
});

describe('eventTitle', () => {
  it('names the case that was filed or photographed, and the event where it is about nothing known', () => {
    const filed = event({ kind: 'case.reported', zh: '案件上报', en: 'Reported', data: { case_id: 7, number: 'SIM-0007', title: '路灯不亮', title_en: 'Lamp out' } });
    expect(eventTitle('zh', filed, undefined)).toBe('SIM-0007 路灯不亮');
    expect(eventTitle('en', filed, undefined)).toBe('SIM-0007 Lamp out');
    expect(eventTitle('zh', event({ kind: 'case.photographed', zh: '案件照片', data: { case_id: 7, number: 'SIM-0007' } }), undefined)).toBe('SIM-0007');
    expect(eventTitle('zh', event({ zh: '导入', data: {} }), undefined)).toBe('导入');
  });
});

describe('kindFirst', () => {
  it('puts what the thing is at the head, and leaves other names alone', () => {
    expect(kindFirst('商业后街旁楼栋 7089 1层 烟感', '烟感')).toBe('烟感·商业后街旁楼栋 7089 1层');
    expect(kindFirst('上翔街 车位 6', '停车地磁')).toBe('上翔街 车位 6');
    expect(kindFirst('烟感', '烟感')).toBe('烟感');
    expect(kindFirst('x', '')).toBe('x');
    expect(kindFirst('building 2217, floor 1 smoke detector', 'Smoke detector')).toBe('Smoke detector·building 2217, floor 1');
  });
});
