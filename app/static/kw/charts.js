// One chart per [data-kw-chart]: the attribute holds the data, the table below it says the same.
//   {kind: bar|stacked|line|pie, categories: [str], series: [{name, values}], unit: str}
(() => {
  'use strict';
  const COLOURS = ['#1a5cc0', '#f0a53a', '#1f9d55', '#b3261e', '#7a5cc0', '#0f8b8d', '#8a94a3'];
  const narrow = innerWidth < 700;
  const axes = (data, box) => ({
    grid: { left: 56, right: 24, top: 44, bottom: narrow ? 90 : 56 },
    tooltip: { trigger: 'axis' },
    xAxis: {
      type: 'category', data: data.categories,
      axisLabel: { interval: 0, width: narrow ? 90 : Math.max(60, (box.clientWidth - 80) / data.categories.length - 12), overflow: 'break', lineHeight: 14, fontSize: 11, rotate: narrow || data.categories.length > 14 ? 60 : 0, formatter: (text) => (narrow ? text.split(' ')[0] : text) },
    },
    yAxis: { type: 'value', name: data.unit || '', minInterval: 1 },
    series: data.series.map((series) => ({
      name: series.name, data: series.values, type: data.kind === 'line' ? 'line' : 'bar', barMaxWidth: 36,
      stack: data.kind === 'stacked' ? 'total' : undefined, itemStyle: { borderWidth: data.kind === 'stacked' ? 1 : 0, borderColor: '#fff' },
    })),
  });
  const pie = (data) => ({
    tooltip: { trigger: 'item' },
    series: [{ type: 'pie', radius: ['40%', '68%'], top: 24, data: data.categories.map((name, index) => ({ name, value: data.series[0].values[index] })) }],
  });
  for (const box of document.querySelectorAll('[data-kw-chart]')) {
    const data = JSON.parse(box.dataset.kwChart), chart = echarts.init(box, null, { renderer: 'svg' });
    chart.setOption({
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, color: COLOURS,
      animation: !matchMedia('(prefers-reduced-motion: reduce)').matches, legend: { top: 8, right: 24, type: 'scroll' },
      ...(data.kind === 'pie' ? pie(data) : axes(data, box)),
    });
    // The SVG has no viewBox and would be cut off on paper; with one the print style can scale it.
    const scalable = () => box.querySelector('svg')?.setAttribute('viewBox', `0 0 ${chart.getWidth()} ${chart.getHeight()}`);
    chart.on('finished', scalable);
    addEventListener('resize', () => chart.resize());
  }
})();
