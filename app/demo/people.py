"""Generated people of the test province: names, ID numbers, contacts. Nobody of them exists."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from typing import Any

from app.metadata.id_numbers import check_digit
from app.models.codes import IdType

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾"
_MALE = "伟强磊军洋勇杰涛明超浩鹏宇轩泽晨睿博航宏志文建国辉"
_FEMALE = "芳娜敏静丽艳娟霞玲雪婷慧琳佳怡欣悦颖萱月洁瑶梦雅文"
#: names that not every system can cope with: an interpunct, and a character outside GBK
_SPECIAL = (("阿依古丽·买买提", None), ("龚䶮", "GONG YAN"), ("迪丽努尔·阿不都", None))
_DEPARTMENTS = {
    "信息工程学院": ("计算机科学与技术", "软件工程", "网络工程"),
    "经济管理学院": ("会计学", "工商管理", "电子商务"),
    "机电工程学院": ("机械设计", "自动化"),
    "人文学院": ("汉语言文学", "新闻学"),
}
_ETHNIC = ("01",) * 12 + ("02", "03", "05", "11")


@dataclass(slots=True)
class People:
    """A generator of distinct people; the same seed gives the same ones."""

    rng: random.Random
    today: dt.date
    made: int = 0

    def next(self, classes: tuple[str, ...] = ()) -> dict[str, Any]:
        """Columns of a registration: everything the form asks for."""
        self.made += 1
        rng, number = self.rng, self.made
        sex = rng.choice("12")
        birth = dt.date(self.today.year - rng.randint(17, 30), rng.randint(1, 12), 1)
        birth += dt.timedelta(days=rng.randint(0, 27))
        name, pinyin = self._name(sex)
        department = rng.choice(list(_DEPARTMENTS))
        return {
            "name": name,
            "pinyin": pinyin,
            "sex": sex,
            "birth": birth,
            "id_type": IdType.RESIDENT.value,
            "id_number": id_number(number, birth, sex),
            "ethnic": "05" if "·" in name else rng.choice(_ETHNIC),
            "education": rng.choice(("20", "20", "20", "30", "30", "60")),
            "occupation": "01",
            "department": department,
            "major": rng.choice(_DEPARTMENTS[department]),
            "class_name": rng.choice(classes) if classes else f"{rng.randint(1, 6)}班",
            "student_number": f"{birth.year + 18}{number:06d}",
            "postcode": "990000",
            "address": f"测试省测试市演示路{rng.randint(1, 300)}号",
            "mobile": f"1380000{number:04d}",
            "email": f"demo{number:04d}@kaowu.test",
        }

    def _name(self, sex: str) -> tuple[str, str | None]:
        if self.made % 53 == 7:
            return _SPECIAL[self.made // 53 % len(_SPECIAL)]
        pool = _MALE if sex == "1" else _FEMALE
        given = "".join(self.rng.choice(pool) for _ in range(self.rng.choice((1, 2, 2))))
        return self.rng.choice(_SURNAMES) + given, None


def id_number(number: int, birth: dt.date, sex: str) -> str:
    """The ID number of the `number`-th person: province 99, valid check digit, never twice."""
    area, order = divmod(number, 500)
    seventeen = f"9900{area:02d}{birth:%Y%m%d}{order * 2 + (sex == '1'):03d}"
    return seventeen + check_digit(seventeen)
