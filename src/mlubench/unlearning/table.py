"""The table of losses that unlearn: a new method is a file in `methods/`, a row here and a test."""

from mlubench.core.tables import Entry, Table

_ROOM = "mlubench.unlearning.methods"

LOSSES = Table(
    "method",
    {
        "ga": Entry(f"{_ROOM}.ga:GA", "gradient ascent", "2310.10683", "-NLL(forget)"),
        "gd": Entry(
            f"{_ROOM}.gd:GD", "gradient difference", "2203.12817", "-NLL(forget) + NLL(retain)"
        ),
        "kl": Entry(
            f"{_ROOM}.kl:KL",
            "KL to the reference, at answers",
            "2401.06121",
            "-NLL(forget) + KL(ref || now)(retain)",
        ),
        "npo": Entry(
            f"{_ROOM}.npo:NPO",
            "negative preference",
            "2404.05868",
            "2/b softplus(b(log p - log p_ref))(forget)",
        ),
        "po": Entry(f"{_ROOM}.po:PO", "preference for a refusal", "2401.06121", "NLL(refusal)"),
        "dpo": Entry(
            f"{_ROOM}.dpo:DPO",
            "refusal preferred to truth",
            "2305.18290",
            "softplus(-b(log p/p_ref(refusal) - (truth)))",
        ),
        "kl_all": Entry(
            f"{_ROOM}.kl:KLAll",
            "KL to the reference, everywhere",
            "2606.12809",
            "as kl, at every position",
        ),
        "po_retain": Entry(
            f"{_ROOM}.po:PORetain",
            "refusal, rest held",
            "2401.06121",
            "NLL(refusal) + NLL(retain)",
        ),
        "gd_refusal": Entry(
            f"{_ROOM}.gd_refusal:GDRefusal",
            "gradient difference and refusal",
            "2401.06121",
            "gd + w NLL(refusal)",
        ),
        "simnpo": Entry(
            f"{_ROOM}.simnpo:SimNPO",
            "NPO without a reference",
            "2410.07163",
            "-2/b log sigmoid(b(NLL/|y| - d))(forget)",
        ),
        "rmu": Entry(
            f"{_ROOM}.rmu:RMU",
            "misdirected states",
            "2403.03218",
            "|h - c u|^2(forget) + a|h - h_ref|^2(retain)",
        ),
        "task_vector": Entry(
            f"{_ROOM}.task_vector:TaskVector",
            "negated task vector",
            "2212.04089",
            "W0 - a(W - W0), W from NLL(forget)",
        ),
        "wga": Entry(
            f"{_ROOM}.wga:WGA",
            "ascent weighed by probability",
            "2502.19301",
            "-p^b NLL(forget) + a NLL(retain)",
        ),
        "satimp": Entry(
            f"{_ROOM}.satimp:SatImp",
            "ascent weighed by saturation and importance",
            "2505.11953",
            "-p^b1 (1-p)^b2 NLL(forget) + a NLL(retain)",
        ),
        "undial": Entry(
            f"{_ROOM}.undial:UNDIAL",
            "self-distillation from lowered logits",
            "2402.10052",
            "CE(softmax(z_ref - b 1_y))(forget)",
        ),
        "altpo": Entry(
            f"{_ROOM}.altpo:AltPO",
            "the model's own guess preferred to truth",
            "2409.13474",
            "2/b softplus(-b(log p/p_ref(alternate) - (truth))) + a NLL(retain)",
        ),
        "mmunlearner": Entry(
            f"{_ROOM}.mmunlearner:MMUnlearner",
            "gradient difference by salient weights",
            "2502.11051",
            "-NLL(forget) + a NLL(retain), where g^2(forget) >= t g^2(retain)",
        ),
        "siu": Entry(
            f"{_ROOM}.siu:SIU",
            "refusal, and a KL that masks what contradicts it",
            "2405.12523",
            "NLL(refusal) + NLL(retain) + k [masked KL(refusal) + KL(retain) + KL(words)]",
        ),
        "vkd": Entry(
            f"{_ROOM}.vkd:VKD",
            "visual features distilled, tower and projector alone",
            "2512.11325",
            "|v - mean v_ref(retain)|^2(forget) + a|v - v_ref|^2(retain)",
        ),
        "o3": Entry(
            f"{_ROOM}.o3:O3",
            "refusal, each adapter orthogonal to earlier ones",
            "2407.10223",
            "NLL(refusal) + w |A_earlier A^T|^2",
        ),
    },
    group="mlubench.methods",
    # What is more than a loss (experiment/table.py), and what runs write beside the methods.
    reserved=("lumoe", "base"),
)
